//! A file guest that does everything wrong, for the tests of what the host survives.
//!
//! `open-read` does what the path's last name says; `canonicalize` makes one call of the file interfaces, given as
//! `/verb/argument`, and tells how it was answered; `metadata` tells how often this instance was called before. What is
//! wrong with an answer itself is in [`answers`].

mod answers;
mod tries;

mod bindings {
    wit_bindgen::generate!({
        world: "lockgate:files/file-guest",
        path: ["../../wit/deps/io.wit", "../../wit/deps/clocks.wit", "../../wit/deps/filesystem.wit", "../../wit/files"],
        generate_all,
    });
}

/// A log beside the rest of the world: this guest is brought by configuration.
mod log_bindings {
    wit_bindgen::generate!({
        inline: "package example:misbehaving; world logging { import lockgate:files/log@0.1.0; }",
        path: ["../../wit/deps/io.wit", "../../wit/deps/clocks.wit", "../../wit/deps/filesystem.wit", "../../wit/files"],
        generate_all,
    });
}

use std::cell::Cell;

use bindings::exports::lockgate::files::operations::{
    Failure, Guest, Links, PathMetadata, Staged, WriteHow,
};
use bindings::lockgate::files::extra::{self, Attributes};
use bindings::wasi::filesystem::preopens;
use bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, DirectoryEntryStream, ErrorCode, NewTimestamp,
    OpenFlags, PathFlags,
};

struct Misbehaving;
bindings::export!(Misbehaving with_types_in bindings);

fn root() -> Descriptor {
    preopens::get_directories().swap_remove(0).0
}

impl Guest for Misbehaving {
    fn open_read(path: String, _links: Links) -> Result<Descriptor, Failure> {
        if let Some(answer) = answers::file(&path) {
            return answer;
        }
        match path.rsplit('/').next().unwrap_or_default() {
            "spin" => loop {
                std::hint::black_box(());
            },
            // Never more than a moment in the guest: each turn is a call of the host.
            "ask" => loop {
                let _ = root().stat_at(PathFlags::empty(), ".");
            },
            "grow" => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(std::hint::black_box(vec![1u8; 1 << 20]));
                }
            }
            "swell" => {
                // Grows, but not over any ceiling, and leaves something there.
                let _ = std::hint::black_box(vec![1u8; 1 << 20]);
                Err(ErrorCode::NoEntry.into())
            }
            "hoard" => {
                let mut handles = Vec::new();
                loop {
                    handles.push(root());
                }
            }
            "recurse" => {
                fn deeper(depth: u64) -> u64 {
                    std::hint::black_box(depth + 1)
                        + if depth == u64::MAX {
                            0
                        } else {
                            deeper(depth + 1)
                        }
                }
                std::hint::black_box(deeper(0));
                Err(ErrorCode::NoEntry.into())
            }
            "panic" => panic!("on purpose"),
            // Each holds a descriptor of the host's.
            "hoardfiles" => {
                let mut held = Vec::new();
                let path = path.trim_start_matches('/').trim_end_matches("/hoardfiles");
                loop {
                    held.push(open_file(&format!("{path}/f"), DescriptorFlags::READ)?);
                }
            }
            "hoardlistings" => {
                let mut held = Vec::new();
                let path = path
                    .trim_start_matches('/')
                    .trim_end_matches("/hoardlistings");
                loop {
                    held.push(extra::list_at(&root(), path)?);
                }
            }
            "nonsense" => {
                // Not UTF-8, whatever the type says: what reaches the host is bytes in this memory.
                let name =
                    unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe, b'/', 0xed, 0xa0]) };
                let _ = root().stat_at(PathFlags::empty(), &name);
                Err(ErrorCode::NoEntry.into())
            }
            // A descriptor that is not what was asked for.
            "directory" => Ok(root()),
            "writing" => Ok(root().open_at(
                PathFlags::empty(),
                &format!(
                    "{}/f",
                    path.trim_start_matches('/').trim_end_matches("/writing")
                ),
                OpenFlags::empty(),
                DescriptorFlags::WRITE,
            )?),
            _ => Err(ErrorCode::NoEntry.into()),
        }
    }

    fn open_write(path: String, _how: WriteHow, _links: Links) -> Result<Descriptor, Failure> {
        if let Some(answer) = answers::file(&path) {
            return answer;
        }
        Ok(root().open_at(
            PathFlags::empty(),
            &path[1..],
            OpenFlags::empty(),
            DescriptorFlags::READ,
        )?)
    }

    fn open_directory(path: String, _links: Links) -> Result<DirectoryEntryStream, Failure> {
        answers::listing(&path).unwrap_or(Err(ErrorCode::NoEntry.into()))
    }

    fn create_directory(_path: String, _recursive: bool, _links: Links) -> Result<(), Failure> {
        // A secret of one request, for the next one to find if instances were shared.
        KEPT.with(|kept| kept.set(kept.get() + 1));
        Ok(())
    }

    fn metadata(path: String, _links: Links) -> Result<PathMetadata, Failure> {
        if path.ends_with("/lies") {
            return Ok(answers::lies());
        }
        let size = match path.ends_with("/residue") {
            true => tries::residue(),
            false => KEPT.with(Cell::get),
        };
        let target = Attributes {
            type_: DescriptorType::RegularFile,
            size,
            created_ms: 0,
            modified_ms: 0,
            mode: 0,
        };
        Ok(PathMetadata {
            target,
            is_symlink: false,
        })
    }

    fn look(_path: String) -> Result<Attributes, Failure> {
        Err(ErrorCode::NoEntry.into())
    }

    fn canonicalize(path: String) -> Result<String, Failure> {
        let (verb, argument) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
        if verb == "answer" {
            return Ok(answers::path(argument));
        }
        // `+` stands for what the host's own paths cannot have in them.
        let argument = argument
            .replace("%2e", ".")
            .replace("%2f", "/")
            .replace("%00", "\0");
        let (first, second) = argument.split_once("/to/").unwrap_or((&argument, ""));
        let open = |flags, access| {
            root()
                .open_at(PathFlags::SYMLINK_FOLLOW, first, flags, access)
                .map(drop)
        };
        match verb {
            "read" => open(OpenFlags::empty(), DescriptorFlags::READ)?,
            "write" => open(OpenFlags::empty(), DescriptorFlags::WRITE)?,
            "truncate" => open(OpenFlags::TRUNCATE, DescriptorFlags::READ)?,
            "create" => open(
                OpenFlags::CREATE | OpenFlags::EXCLUSIVE,
                DescriptorFlags::empty(),
            )?,
            "opendir" => open(
                OpenFlags::DIRECTORY,
                DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY,
            )?,
            "list" => drop(extra::list_at(&root(), first)?),
            "stat" => drop(root().stat_at(PathFlags::empty(), first)?),
            "hash" => drop(root().metadata_hash_at(PathFlags::empty(), first)?),
            "readlink" => {
                return Ok(format!(
                    "/{}",
                    root().readlink_at(first)?.trim_start_matches('/')
                ));
            }
            "mkdir" => root().create_directory_at(first)?,
            "unlink" => root().unlink_file_at(first)?,
            "rmdir" => root().remove_directory_at(first)?,
            "touch" => root().set_times_at(
                PathFlags::empty(),
                first,
                NewTimestamp::Now,
                NewTimestamp::Now,
            )?,
            "symlink" => root().symlink_at(second, first)?,
            "link" => root().link_at(PathFlags::SYMLINK_FOLLOW, first, &root(), second)?,
            "rename" => root().rename_at(first, &root(), second)?,
            // The answer itself is made up.
            "say" => return Ok(argument.to_owned()),
            "saymuch" => return Ok("/x".repeat(2 << 20)),
            "long" => drop(root().stat_at(PathFlags::empty(), &"x/".repeat(1 << 19))?),
            // A directory is opened and moved away by name; then everything is tried through what is held.
            "held" => return Ok(tries::held(first, None)?),
            // The same with a link in its place.
            "heldlink" => return Ok(tries::held(first, Some(second))?),
            "heldlisting" => {
                let (from, to) = (format!("{first}/d"), format!("{first}/e"));
                let listing = extra::list_at(&root(), &from)?;
                root().rename_at(&from, &root(), &to)?;
                while !extra::next_entries(&listing, u32::MAX)?.is_empty() {}
            }
            "odd" => return Ok(tries::odd_numbers(first)),
            "renamefree" => extra::rename_exclusive_at(&root(), first, &root(), second)?,
            "chmod" => extra::set_mode_at(&root(), first, 0o600)?,
            "setuid" => extra::set_mode_at(&root(), first, 0o4755)?,
            // Longer than the host may make a file.
            "grow" => {
                let file = open_file(first, DescriptorFlags::WRITE)?;
                let _ = file.write(b"x", 30_000).map_err(drop);
                file.set_size(30_000)?;
            }
            // The attributes of the one for the other, which is held for writing.
            "imitate" => {
                let file = root().open_at(
                    PathFlags::empty(),
                    second,
                    OpenFlags::empty(),
                    DescriptorFlags::WRITE,
                )?;
                extra::imitate_at(&file, &root(), first)?;
            }
            // A directory is opened, moved away by name, and then used.
            "moved" => {
                let (from, to) = (format!("{first}/d"), format!("{first}/e"));
                let held = root().open_at(
                    PathFlags::empty(),
                    &from,
                    OpenFlags::DIRECTORY,
                    DescriptorFlags::READ,
                )?;
                root().rename_at(&from, &root(), &to)?;
                held.open_at(
                    PathFlags::empty(),
                    "f",
                    OpenFlags::empty(),
                    DescriptorFlags::READ,
                )
                .map(drop)?;
            }
            // What was opened for reading is written, and the other way round.
            "writeread" => {
                let file = root().open_at(
                    PathFlags::empty(),
                    first,
                    OpenFlags::empty(),
                    DescriptorFlags::READ,
                )?;
                let _ = file.write(b"x", 0)?;
            }
            "resize" => {
                let file = root().open_at(
                    PathFlags::empty(),
                    first,
                    OpenFlags::empty(),
                    DescriptorFlags::READ,
                )?;
                file.set_size(0)?;
            }
            "copyover" => {
                let file = |path| {
                    root().open_at(
                        PathFlags::empty(),
                        path,
                        OpenFlags::empty(),
                        DescriptorFlags::READ,
                    )
                };
                extra::copy_contents(&file(first)?, &file(second)?)?;
            }
            _ => return Err(ErrorCode::Unsupported.into()),
        }
        Ok("/done".to_owned())
    }

    fn remove(path: String, _recursive: bool, _force: bool, _links: Links) -> Result<(), Failure> {
        Ok(root().unlink_file_at(&path[1..])?)
    }

    fn copy(_source: String, _destination: String, _recursive: bool) -> Result<(), Failure> {
        Ok(())
    }

    fn rename(source: String, destination: String, _overwrite: bool) -> Result<(), Failure> {
        Ok(root().rename_at(&source[1..], &root(), &destination[1..])?)
    }

    fn make_symlink(_target: String, _path: String, _links: Links) -> Result<(), Failure> {
        Ok(())
    }

    fn read_link(path: String, _links: Links) -> Result<String, Failure> {
        Ok(path)
    }

    fn set_mode(_path: String, _mode: u32, _links: Links) -> Result<(), Failure> {
        Ok(())
    }

    fn set_times(
        _path: String,
        _accessed: NewTimestamp,
        _modified: NewTimestamp,
        _links: Links,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// What is said of the new file depends on the path's last name.
    fn stage(path: String, name: String, _links: Links) -> Result<Staged, Failure> {
        let open = |path: &str, flags, access| {
            root().open_at(PathFlags::empty(), &path[1..], flags, access)
        };
        let (directory, last) = path.rsplit_once('/').unwrap_or_default();
        let above = directory.rsplit_once('/').unwrap_or_default().0;
        let temporary = format!("{directory}/{name}");
        let secret = format!("{above}/out/secret");
        let make = || {
            open(
                &temporary,
                OpenFlags::CREATE | OpenFlags::EXCLUSIVE,
                DescriptorFlags::WRITE,
            )
        };
        let (file, temporary, path) = match last {
            "no-path" => (make()?, "../..".to_owned(), String::new()),
            "over-a-secret" => (make()?, temporary, secret),
            "of-a-secret" => (make()?, secret, path.clone()),
            "another" => {
                let other = format!("{directory}/f");
                let file = open(&other, OpenFlags::empty(), DescriptorFlags::WRITE)?;
                (file, temporary, path.clone())
            }
            _ => {
                let file = open(&path, OpenFlags::empty(), DescriptorFlags::READ)?;
                (file, temporary, path.clone())
            }
        };
        Ok(Staged {
            file,
            temporary,
            path,
        })
    }
}

fn open_file(path: &str, access: DescriptorFlags) -> Result<Descriptor, ErrorCode> {
    root().open_at(PathFlags::empty(), path, OpenFlags::empty(), access)
}

thread_local! {
    static KEPT: Cell<u64> = const { Cell::new(0) };
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Failure {
        Failure::System(code)
    }
}

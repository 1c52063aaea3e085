//! Everything that can be tried with a directory that is held, with numbers that nobody means, and with memory that was another's.

use crate::bindings::lockgate::files::extra;
use crate::bindings::wasi::clocks::wall_clock::Datetime;
use crate::bindings::wasi::filesystem::types::{
    Advice, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};
use crate::{open_file, root};

/// `/name=answer` for each call.
fn answers<T>(said: &mut String, name: &str, answer: Result<T, ErrorCode>) {
    let answer = answer.map_or_else(|code| code.name(), |_| "done");
    said.push_str(&format!("/{name}={answer}"));
}

pub(crate) fn held(home: &str, link: Option<&str>) -> Result<String, ErrorCode> {
    let (from, to) = (format!("{home}/d"), format!("{home}/e"));
    let held = root().open_at(
        PathFlags::empty(),
        &from,
        OpenFlags::DIRECTORY,
        DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY,
    )?;
    root().rename_at(&from, &root(), &to)?;
    if let Some(target) = link {
        root().symlink_at(target, &from)?;
    }
    let (none, now) = (PathFlags::empty(), NewTimestamp::Now);
    let mut said = String::new();
    let open = |how, access| held.open_at(none, "f", how, access).map(drop);
    answers(
        &mut said,
        "read",
        open(OpenFlags::empty(), DescriptorFlags::READ),
    );
    answers(
        &mut said,
        "write",
        open(OpenFlags::empty(), DescriptorFlags::WRITE),
    );
    answers(
        &mut said,
        "truncate",
        open(OpenFlags::TRUNCATE, DescriptorFlags::WRITE),
    );
    let made = held.open_at(none, "made", OpenFlags::CREATE, DescriptorFlags::WRITE);
    answers(&mut said, "create", made);
    answers(&mut said, "mkdir", held.create_directory_at("made"));
    answers(&mut said, "symlink", held.symlink_at("x", "made"));
    answers(&mut said, "unlink", held.unlink_file_at("f"));
    answers(&mut said, "rmdir", held.remove_directory_at("sub"));
    answers(&mut said, "rename", held.rename_at("f", &held, "g"));
    answers(
        &mut said,
        "renamefree",
        extra::rename_exclusive_at(&held, "f", &held, "g"),
    );
    answers(&mut said, "link", held.link_at(none, "f", &held, "g"));
    answers(&mut said, "readlink", held.readlink_at("l"));
    answers(&mut said, "stat", held.stat());
    answers(&mut said, "stat-at", held.stat_at(none, "f"));
    answers(&mut said, "hash", held.metadata_hash());
    answers(
        &mut said,
        "attributes",
        extra::attributes_at(&held, none, "."),
    );
    answers(&mut said, "times", held.set_times(now, now));
    answers(
        &mut said,
        "times-at",
        held.set_times_at(none, "f", now, now),
    );
    answers(&mut said, "mode", extra::set_mode_at(&held, "f", 0o777));
    answers(&mut said, "list", held.read_directory());
    answers(&mut said, "list-at", extra::list_at(&held, "sub"));
    answers(
        &mut said,
        "same",
        if held.is_same_object(&held) {
            Ok(())
        } else {
            Err(ErrorCode::NoEntry)
        },
    );
    Ok(said)
}

/// Numbers at and past every edge, through a file that may be written.
pub(crate) fn odd_numbers(path: &str) -> String {
    let none = PathFlags::empty();
    let mut said = String::new();
    let file = match open_file(path, DescriptorFlags::READ | DescriptorFlags::WRITE) {
        Ok(file) => file,
        Err(code) => return format!("/{}", code.name()),
    };
    answers(&mut said, "read-most", file.read(u64::MAX, 0));
    answers(&mut said, "read-last", file.read(1, u64::MAX));
    answers(&mut said, "write-last", file.write(b"x", u64::MAX));
    answers(&mut said, "write-signed", file.write(b"x", i64::MAX as u64));
    answers(&mut said, "size-most", file.set_size(u64::MAX));
    answers(
        &mut said,
        "advise",
        file.advise(u64::MAX, u64::MAX, Advice::WillNeed),
    );
    let time = |seconds, nanoseconds| {
        NewTimestamp::Timestamp(Datetime {
            seconds,
            nanoseconds,
        })
    };
    answers(
        &mut said,
        "time-most",
        file.set_times(time(u64::MAX, 0), NewTimestamp::NoChange),
    );
    answers(
        &mut said,
        "time-odd",
        file.set_times(NewTimestamp::NoChange, time(0, u32::MAX)),
    );
    answers(
        &mut said,
        "mode-most",
        extra::set_mode_at(&root(), path, u32::MAX),
    );
    let odd = PathFlags::from_bits_retain(0xff);
    answers(&mut said, "flags", root().stat_at(odd, path));
    let how = OpenFlags::from_bits_retain(0xff);
    answers(
        &mut said,
        "open-flags",
        root().open_at(odd, path, how, DescriptorFlags::from_bits_retain(0xff)),
    );
    for (name, target) in [
        ("empty", String::new()),
        ("nul", "a\0b".to_owned()),
        ("long", "x".repeat(5000)),
    ] {
        answers(
            &mut said,
            name,
            root().symlink_at(&target, &format!("{path}-{name}")),
        );
    }
    answers(
        &mut said,
        "name",
        root().stat_at(none, &format!("{path}/{}", "x".repeat(256))),
    );
    said
}

/// How many bytes of fresh memory are not zero: what another instance left there.
pub(crate) fn residue() -> u64 {
    const PAGES: usize = 16;
    let Ok(first) = u32::try_from(core::arch::wasm32::memory_grow::<0>(PAGES)) else {
        return u64::MAX;
    };
    let from = first as usize * 65_536;
    // Memory that nothing else in here knows of.
    let fresh = (from..from + PAGES * 65_536)
        .filter(|at| unsafe { core::ptr::read_volatile(*at as *const u8) } != 0);
    fresh.count() as u64
}

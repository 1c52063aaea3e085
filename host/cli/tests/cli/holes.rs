//! Files with holes, by every way that `fs put` and `fs get` have.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use crate::support::{Server, done, lockgate, ok};

/// More than goes into one message.
const SIZE: u64 = 52_000_000;

fn taken(path: &Path) -> u64 {
    fs::metadata(path).expect("there").blocks() * 512
}

#[test]
fn a_file_with_holes_arrives_as_it_is_and_takes_no_more_room() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().canonicalize().expect("there").join(path);
    fs::create_dir(at("from")).expect("made");
    // A hole at the beginning, one in the middle, one at the end; and one with nothing else.
    let file = File::create(at("from/holes")).expect("made");
    file.set_len(SIZE).expect("made larger");
    for offset in [20_000_000, 30_000_001] {
        file.write_all_at(&[7; 300_000], offset).expect("written");
    }
    let file = File::create(at("from/hole")).expect("made");
    file.set_len(SIZE).expect("made larger");
    assert!(taken(&at("from/holes")) < 2_000_000, "no holes here");
    let server = Server::start(&[]);
    for (number, args) in [
        &["get"][..],
        &["get", "--resume"],
        &["put"],
        &["put", "--resume"],
    ]
    .into_iter()
    .enumerate()
    {
        let run = |more: &[&str], from: &str, to: &str| {
            let mut command = lockgate(&[&["fs"], args, more].concat());
            command
                .args(["--url", &server.url])
                .arg(at(from))
                .arg(at(to));
            ok(done(command.output().expect("runs")));
        };
        let tree = format!("tree{number}");
        run(&["--recursive"], "from", &tree);
        for name in ["hole", "holes"] {
            let (from, one) = (format!("from/{name}"), format!("{name}{number}"));
            // Over old contents, which are longer.
            fs::write(at(&one), vec![1; SIZE as usize + 1_000_000]).expect("written");
            run(&[], &from, &one);
            for to in [one, format!("{tree}/{name}")] {
                let contents = fs::read(at(&to)).expect("there");
                assert!(
                    contents == fs::read(at(&from)).expect("there"),
                    "{args:?} {to}"
                );
                assert!(
                    taken(&at(&to)) < 4_000_000,
                    "{args:?} {to}: {}",
                    taken(&at(&to))
                );
            }
        }
    }
    // What is overwritten in place keeps nothing of the old contents where there are holes now.
    for args in [["get", "--recursive"], ["put", "--recursive"]] {
        let to = at("over");
        fs::create_dir_all(&to).expect("made");
        fs::write(to.join("holes"), vec![1; 40_000_000]).expect("written");
        let mut command = lockgate(&[&["fs"], &args[..]].concat());
        command
            .args(["--url", &server.url])
            .arg(at("from"))
            .arg(&to);
        ok(done(command.output().expect("runs")));
        let contents = fs::read(to.join("holes")).expect("there");
        assert!(
            contents == fs::read(at("from/holes")).expect("there"),
            "{args:?}"
        );
    }
}

//! What a person sees who watches a transfer.

use std::process::Stdio;
use std::sync::mpsc;

use crate::cuts::Way;
use crate::support::{LOCKGATE, Server, lockgate, wait_for};

#[test]
fn what_goes_in_one_message_is_told_to_be_on_the_way_until_it_has_arrived() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("large"), vec![b'x'; 6_000_000]).expect("written");
    let server = Server::start(&[]);
    for (args, name) in [("put", "one"), ("put --atomic", "two"), ("append", "three")] {
        // The rest waits until the line was seen.
        let (goes_on, held) = mpsc::channel();
        let wait = move || held.recv().is_err();
        let way = Way::to(&server, 1_000_000, Box::new(wait));
        let there = at(name);
        let script = format!(
            "{LOCKGATE} fs {args} --url {} large {}; echo done",
            way.url,
            there.display()
        );
        let mut watching = lockgate(&["exec", "--tty", "--", "sh", "-c", &script])
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("runs");
        let mut shown = watching.stdout.take().expect("piped");
        wait_for(&mut shown, "5.7 MiB on the way for ");
        goes_on.send(()).expect("it waits");
        // And the line is gone.
        wait_for(&mut shown, "\r\u{1b}[Kdone\r\n");
        assert!(watching.wait().expect("ends").success());
        assert_eq!(std::fs::metadata(there).expect("there").len(), 6_000_000);
    }
}

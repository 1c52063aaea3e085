//! A disk that takes what is written and then says that it did not keep it: nothing of that is told as done, and nobody goes by it.

use std::process::{Command, Output};

use lockgate_e2e::{Rendezvous, keep_nothing, lockgate};
use rustix::io::Errno;
use rustix::process::Signal;

use crate::raw::ask;

const CREATE: [&str; 6] = ["token", "create", "--environment", "box", "--role", "both"];

#[test]
fn attack_35_what_the_disk_of_a_store_does_not_keep_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rendezvous = Rendezvous::start(folder.path());
    let address = rendezvous.address().to_owned();
    let mut made = vec![rendezvous.command(&CREATE)];
    let id = rendezvous.token_id("box", "both");
    for (errno, remedy) in [
        (Errno::IO, "See what is wrong with its disk"),
        (Errno::NOSPC, "Make room on its disk"),
    ] {
        let store = rendezvous.store().to_owned();
        let before = std::fs::read(&store).expect("the store");
        let failing = |arguments: &[&str], store: &std::path::Path| {
            let mut command = Command::new(lockgate());
            command.arg("rendezvous").args(arguments);
            command.arg("--store").arg(store);
            keep_nothing(&mut command, errno.raw_os_error() as u32);
            says(&command.output().expect("it runs"), errno, remedy);
        };
        failing(&CREATE, &store);
        failing(&["token", "revoke", &id], &store);
        assert_eq!(std::fs::read(&store).expect("the store"), before);
        // One that is made for it has no key yet: the next command makes it.
        let new = folder.path().join(format!("new{}", errno.raw_os_error()));
        failing(&CREATE, &new);
        assert_eq!(std::fs::read(&new).expect("the file"), b"");
        let again = Command::new(lockgate())
            .arg("rendezvous")
            .args(CREATE)
            .arg("--store")
            .arg(&new)
            .output();
        assert!(again.expect("it runs").status.success());
        // It is as if nobody had tried, for the server that runs and for one that is started now.
        made.push(rendezvous.command(&CREATE));
        for restarted in [false, true] {
            if restarted {
                rendezvous.signal(Signal::KILL);
                rendezvous.wait();
                rendezvous = Rendezvous::at(folder.path(), &address, &[]);
            }
            for token in &made {
                let (status, answer) = ask(&rendezvous, "GET", "/cloud/environments", token);
                assert_eq!(status, 200, "{answer}");
            }
        }
    }
    rendezvous.command(&["token", "revoke", &id]);
    assert_eq!(
        ask(&rendezvous, "GET", "/cloud/environments", &made[0]).0,
        401
    );
}

fn says(output: &Output, errno: Errno, remedy: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty());
    let words = format!("{errno}; nothing was changed. {remedy}, and run this again");
    assert!(
        said.contains("takes nothing more: ") && said.contains(&words),
        "{said}"
    );
}

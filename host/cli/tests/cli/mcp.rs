//! `lockgate mcp` where it cannot start: an agent should not learn from its first call what was known before.

use std::net::TcpListener;

use crate::support::run_in;

#[test]
fn what_is_known_to_be_wrong_ends_it_before_an_agent_has_called_anything() {
    let dir = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for (args, code, words) in [
        (
            &["--env", "nosuch"][..],
            2,
            "unknown environment id `nosuch`",
        ),
        (&["--deny-glob", "a{b"], 2, "glob pattern is malformed"),
        (
            &["--read", "/", "--deny-glob", "["],
            2,
            "glob pattern is malformed",
        ),
        (
            &["--listen", &address, "--no-token"],
            1,
            "in use (os error 98); choose another port, or port 0 for any",
        ),
    ] {
        let mut all = vec!["mcp"];
        all.extend(args);
        let done = run_in(dir.path(), &all);
        assert!(
            done.code == Some(code) && done.err.contains(words),
            "{args:?}: {done:?}"
        );
    }
    // A good pattern is none of it: with nobody on stdin it ends as ever.
    let done = run_in(dir.path(), &["mcp", "--deny-glob", "**/*.key"]);
    assert!(!done.err.contains("key"), "{done:?}");
}

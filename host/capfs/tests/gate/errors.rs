//! The words and kinds in which refusals reach the client (PROTOCOL.md 5.1, 6.6).

use lockgate_capfs::{ConfineError, ErrorKind, Follow};

use crate::world::both;

#[test]
fn refusals_speak_like_the_system() {
    both(|world| {
        world.make(&["w/f=x", "w/no/s=x", "r/f=x", "out/f=x"]);
        let files = world.files(&["w=write", "w/no=deny", "r=read"]);
        let read = |path| files.open(&world.abs(path), Follow::Links).unwrap_err();
        let write = |path| {
            files
                .write_file(&world.abs(path), b"x", Follow::Links)
                .unwrap_err()
        };
        for error in [read("w/none"), read("out/f"), read("w/no/s")] {
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert_eq!(error.to_string(), "No such file or directory (os error 2)");
        }
        for error in [write("out/f"), write("out/new"), write("w/no/s")] {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert_eq!(error.to_string(), "Permission denied (os error 13)");
        }
        let error = write("r/f");
        assert_eq!(error.kind(), ErrorKind::Other);
        assert_eq!(error.to_string(), "Read-only file system (os error 30)");
        let error = files.open(&world.abs("w"), Follow::Links).unwrap_err();
        assert_eq!(error.to_string(), "Is a directory (os error 21)");
    });
}

#[test]
fn a_profile_that_cannot_be_enforced_is_refused_as_a_whole() {
    both(|world| {
        for (rules, wanted) in [
            (["w/[*=deny"], "sandbox glob pattern is malformed"),
            (["w/*=read"], "sandbox glob patterns can only be denied"),
        ] {
            let ConfineError(error) = world
                .capfs
                .confine(&world.profile(&rules), world.session)
                .unwrap_err();
            assert!(error.to_string().contains(wanted), "{error}");
        }
        let needs_cwd = r#"{"permissions":{"file_system":{"entries":[
            {"path":{"type":"special","value":{"kind":"project_roots"}},"access":"write"}]}}}"#;
        let error = world
            .capfs
            .confine(&serde_json::from_str(needs_cwd).unwrap(), world.session)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "file system sandbox context with dynamic permissions requires cwd"
        );
    });
}

//! A running set of environments follows its file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockgate_client::environments::provider::Source;
use lockgate_client::environments::{
    Changes, EnvironmentError, Environments, Followed, Following, Setup,
};

use crate::support::soon;

struct House {
    dir: tempfile::TempDir,
    environments: Arc<Environments>,
    following: Following,
}

const ONE: &str = "default = 'a'\n[[environments]]\nid = 'a'\nurl = 'ws://a'\n";

impl House {
    /// With a program `p` that serves, too.
    fn new() -> House {
        let dir = tempfile::tempdir().expect("a directory");
        let file = file(&dir);
        std::fs::write(&file, House::text(ONE)).expect("written");
        let source = Source::File(file.clone());
        let environments =
            Arc::new(Environments::new(&source, Setup::default()).expect("a choice"));
        let following = environments.follow(file);
        House {
            dir,
            environments,
            following,
        }
    }

    fn text(first: &str) -> String {
        let script = r#"read line; echo '{"id":1,"result":{"sessionId":"s","environmentInfo":{"shell":{"name":"sh","path":"/bin/sh"}}}}'; cat > /dev/null"#;
        format!(
            "{first}[[environments]]\nid = 'p'\nprogram = 'sh'\nargs = ['-c', '''{script}''']\n"
        )
    }

    fn write(&self, text: &str) {
        std::fs::write(file(&self.dir), text).expect("written");
    }

    async fn next(&mut self) -> Followed {
        soon(self.following.next()).await.expect("follows")
    }

    async fn changed(&mut self) -> Changes {
        match self.next().await {
            Followed::Changed(changes) => changes,
            Followed::Refused(error) => panic!("{error}"),
        }
    }

    async fn refused(&mut self) -> EnvironmentError {
        match self.next().await {
            Followed::Changed(changes) => panic!("{changes:?}"),
            Followed::Refused(error) => error,
        }
    }
}

fn file(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("environments.toml")
}

#[tokio::test]
async fn changes_are_taken_up_and_what_is_the_same_keeps_its_connection() {
    let mut house = House::new();
    let p = house.environments.resolve(Some("p")).expect("there");
    let client = soon(p.client()).await.expect("connects");
    house.write(&House::text("[[environments]]\nid = 'b'\nurl = 'ws://b'\n"));
    let changes = house.changed().await;
    assert_eq!(changes.added, ["b"]);
    assert_eq!(changes.removed, ["a"]);
    assert!(changes.replaced.is_empty() && changes.default);
    assert_eq!(house.environments.ids(), ["local", "b", "p"]);
    let same = house.environments.resolve(Some("p")).expect("there");
    assert!(Arc::ptr_eq(&p, &same) && !client.is_closed());
    assert_eq!(
        soon(same.client()).await.expect("connected").session_id(),
        client.session_id()
    );
}

#[tokio::test]
async fn a_bad_file_and_one_that_is_gone_change_nothing_and_are_told() {
    let mut house = House::new();
    house.write("default = 'nobody'\n");
    let error = house.refused().await.to_string();
    assert!(error.contains("`nobody` is not configured"), "{error}");
    assert_eq!(house.environments.ids(), ["a", "local", "p"]);
    std::fs::remove_file(file(&house.dir)).expect("removed");
    let error = house.refused().await.to_string();
    assert!(
        error.starts_with("failed to read environment config"),
        "{error}"
    );
    assert_eq!(house.environments.ids(), ["a", "local", "p"]);
    // The old one comes back: nothing is different, and nothing told.
    house.write(&House::text(ONE));
    house.write(&House::text(&ONE.replace("ws://a", "ws://other")));
    assert_eq!(house.changed().await.replaced, ["a"]);
}

#[tokio::test]
async fn a_file_in_the_place_of_the_old_one_is_taken_up_also_behind_a_link() {
    let mut house = House::new();
    let real = house.dir.path().join("real.toml");
    std::fs::write(&real, "default = 'none'\n").expect("written");
    let link = house.dir.path().join("link");
    std::os::unix::fs::symlink(Path::new("real.toml"), &link).expect("linked");
    std::fs::rename(&link, file(&house.dir)).expect("renamed");
    let changes = house.changed().await;
    assert!(changes.default && changes.removed == ["a", "p"]);
    std::fs::write(&real, "default = 'local'\n").expect("written");
    assert!(house.changed().await.default);
}

#[tokio::test]
async fn it_begins_with_what_the_file_says_now_and_ends_with_the_environments() {
    let House {
        dir,
        environments,
        following,
    } = House::new();
    drop(following);
    // Between the snapshot and the following.
    std::fs::write(file(&dir), "default = 'none'\n").expect("written");
    let mut following = environments.follow(file(&dir));
    let Some(Followed::Changed(changes)) = soon(following.next()).await else {
        panic!("nothing changed")
    };
    assert_eq!(changes.removed, ["a", "p"]);
    drop(environments);
    assert_eq!(soon(following.next()).await, None);
}

#[tokio::test]
async fn a_file_that_is_not_there_yet_is_taken_up_when_it_comes() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("not/yet/environments.toml");
    let environments = Environments::new(&Source::Nothing, Setup::default());
    let environments = Arc::new(environments.expect("this host"));
    let mut following = environments.follow(&file);
    let Some(Followed::Refused(error)) = soon(following.next()).await else {
        panic!("there is something")
    };
    assert!(
        error
            .to_string()
            .starts_with("failed to read environment config"),
        "{error}"
    );
    assert_eq!(environments.ids(), ["local"]);
    std::fs::create_dir_all(file.parent().expect("a parent")).expect("made");
    std::fs::write(&file, ONE).expect("written");
    let Some(Followed::Changed(changes)) = soon(following.next()).await else {
        panic!("it was not taken up")
    };
    assert!(changes.default && changes.added == ["a"], "{changes:?}");
    assert_eq!(environments.ids(), ["a", "local"]);
}

#[tokio::test]
async fn a_pipe_in_the_place_of_the_file_changes_nothing_and_holds_nothing_up() {
    let mut house = House::new();
    let at = file(&house.dir);
    std::fs::remove_file(&at).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(&at).status();
    assert!(made.expect("runs").success());
    // It may be missed between the two.
    let mut error = house.refused().await;
    if error.to_string().contains("No such file") {
        error = house.refused().await;
    }
    assert!(
        error.to_string().ends_with("it is no regular file"),
        "{error}"
    );
    assert_eq!(house.environments.ids(), ["a", "local", "p"]);
}

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::token::TokenRole;

fn token(environment: &str) -> Token {
    Token {
        id: String::new(),
        sha256: String::new(),
        environment: environment.to_owned(),
        role: TokenRole::Both,
        tenant: "default".to_owned(),
        created: 1,
        expires: None,
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn tokens_outlive_the_store_and_secrets_are_not_in_it() {
    let folder = folder();
    let path = folder.path().join("store");
    let mut store = Store::open(&path).expect("a store");
    let (secret, made) = store.create(token("box")).expect("a token");
    let again = Store::open(&path).expect("the store");
    assert_eq!(again.known().find(&secret), Some(&made));
    assert_eq!(again.known().key(), store.known().key());
    assert_eq!(again.known().find("lockgate_00"), None);
    let text = std::fs::read_to_string(&path).expect("its text");
    assert!(!text.contains(&secret), "{text}");
}

#[test]
fn the_store_is_for_its_owner_alone() {
    let folder = folder();
    let path = folder.path().join("store");
    Store::open(&path).expect("a store");
    let mode = path.metadata().expect("its mode").permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[test]
fn a_running_store_learns_what_others_write() {
    let folder = folder();
    let path = folder.path().join("store");
    let mut server = Store::open(&path).expect("a store");
    let mut command = Store::open(&path).expect("the store");
    let (secret, made) = command.create(token("box")).expect("a token");
    assert!(server.refresh().expect("the store"));
    assert!(server.known().find(&secret).is_some());
    server.revoke(&made.id).expect("a revocation");
    assert!(command.refresh().expect("the store"));
    assert_eq!(command.known().find(&secret), None);
    assert!(matches!(
        command.revoke(&made.id),
        Err(StoreError::NoToken(_))
    ));
}

#[test]
fn a_line_that_was_being_written_costs_nothing_else() {
    let folder = folder();
    let path = folder.path().join("store");
    let mut store = Store::open(&path).expect("a store");
    let (first, _) = store.create(token("box")).expect("a token");
    let whole = std::fs::read(&path).expect("its text");
    for cut in 1..40 {
        let mut torn = whole.clone();
        torn.extend_from_slice(&br#"{"what":"token","id":"0123456789ab","sha256":"x"}"#[..cut]);
        std::fs::write(&path, &torn).expect("a torn store");
        let mut store = Store::open(&path).expect("the store");
        assert!(store.known().find(&first).is_some());
        let (second, _) = store.create(token("other")).expect("a token");
        let store = Store::open(&path).expect("the store");
        assert!(store.known().find(&first).is_some() && store.known().find(&second).is_some());
    }
}

#[test]
fn a_line_that_cannot_be_read_later_is_not_passed_over() {
    let folder = folder();
    let path = folder.path().join("store");
    let mut store = Store::open(&path).expect("a store");
    store.create(token("box")).expect("a token");
    let mut file = OpenOptions::new()
        .append(true)
        .open(&path)
        .expect("the file");
    file.write_all(b"{\"what\":\"of a later version\"}\n")
        .expect("written");
    assert!(store.known().is_current());
    assert!(store.refresh().is_err());
    assert!(!store.known().is_current());
}

#[test]
fn a_store_that_makes_no_sense_is_refused_with_the_line() {
    let folder = folder();
    let path = folder.path().join("store");
    let short = format!(
        "{{\"what\":\"store\",\"version\":1,\"key\":\"{}\"}}\n",
        "00".repeat(16)
    );
    for line in ["{\"what\":\"revoked\",\"id\":\"x\"}\n", &short] {
        std::fs::write(&path, line).expect("a file");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode");
        let error = Store::open(&path).expect_err("no store").to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}

#[test]
fn one_that_is_open_to_others_is_refused() {
    let folder = folder();
    let path = folder.path().join("store");
    Store::open(&path).expect("a store");
    for mode in [0o640, 0o604, 0o602, 0o666] {
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its mode");
        let error = Store::open(&path).expect_err("no store").to_string();
        assert!(
            error.contains(&format!("mode {mode:o}")) && error.contains("chmod 600"),
            "{error}"
        );
    }
}

#[test]
fn one_that_took_its_place_holds() {
    let folder = folder();
    let [path, other] = ["store", "other"].map(|name| folder.path().join(name));
    let mut server = Store::open(&path).expect("a store");
    let mut command = Store::open(&path).expect("the store");
    let (before, _) = server.create(token("box")).expect("a token");
    let (after, _) = Store::open(&other)
        .and_then(|mut store| store.create(token("box")))
        .expect("a token");
    std::fs::rename(&other, &path).expect("renamed");
    assert!(server.refresh().expect("the new one"));
    assert_eq!(server.known().find(&before), None);
    assert!(server.known().find(&after).is_some());
    // Who was about to write writes there, too.
    let (third, _) = command.create(token("box")).expect("a token");
    assert!(server.refresh().expect("the store") && server.known().find(&third).is_some());
    assert_eq!(server.known().key(), command.known().key());
}

#[test]
fn one_that_is_gone_or_cut_off_lets_nobody_new_in() {
    let folder = folder();
    let path = folder.path().join("store");
    let mut server = Store::open(&path).expect("a store");
    let (secret, _) = server.create(token("box")).expect("a token");
    let whole = std::fs::read(&path).expect("its text");
    std::fs::write(&path, "").expect("cut off");
    assert!(matches!(server.refresh(), Err(StoreError::Empty(_))));
    assert!(!server.known().is_current() && !server.known().key().is_empty());
    std::fs::remove_file(&path).expect("removed");
    assert!(matches!(server.refresh(), Err(StoreError::Io { .. })));
    assert!(server.create(token("box")).is_err());
    assert!(!path.exists() && !server.known().is_current());
    // It is put back.
    std::fs::write(&path, whole).expect("written");
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode");
    assert!(server.refresh().expect("the store"));
    assert!(server.known().is_current() && server.known().find(&secret).is_some());
}

#[test]
fn attack_35_a_line_that_was_cut_off_again_is_not_believed_though_another_one_took_its_place() {
    let folder = folder();
    let path = folder.path().join("store");
    let mut server = Store::open(&path).expect("a store");
    let [one, two] = [0; 2].map(|_| server.create(token("box")).expect("a token").1.id);
    let whole = path.metadata().expect("its size").len();
    // As a writer whose line the disk does not keep, and which the server had read in between.
    let mut command = Store::open(&path).expect("the store");
    command.revoke(&one).expect("a revocation");
    assert!(server.refresh().expect("the store") && server.known().named(&one).is_none());
    let file = OpenOptions::new().write(true).open(&path);
    file.and_then(|file| file.set_len(whole)).expect("cut off");
    // The next one, as long as the first.
    let mut command = Store::open(&path).expect("the store");
    command.revoke(&two).expect("a revocation");
    assert!(server.refresh().expect("the store"));
    assert!(server.known().named(&one).is_some());
    assert_eq!(server.known().named(&two), None);
}

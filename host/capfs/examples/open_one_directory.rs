//! Opens one directory to a piece of code that nobody trusts: a component that was written to misbehave, as the guest of a scope
//! that grants that directory. Run it, and see what it gets of what it tries.
//!
//! `cargo run -p lockgate-capfs --example open_one_directory`

use lockgate_capfs::{AbsPath, CapFs, GuestSource, Options};

const UNTRUSTED: &[u8] = include_bytes!("../../../guest/dist/test-misbehaving.wasm");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = tempfile::tempdir()?;
    let home = home.path().canonicalize()?;
    std::fs::create_dir(home.join("open"))?;
    std::fs::write(home.join("open/notes"), "yours")?;
    std::fs::write(home.join("secret"), "not yours")?;

    let guest = GuestSource::Component {
        bytes: UNTRUSTED.into(),
        pin: None,
    };
    let capfs = CapFs::new(Options {
        guest,
        ..Options::default()
    })?;
    let files = capfs
        .scope()
        .read(AbsPath::parse(home.join("open"))?)
        .open()?;

    // It makes one call of its file interfaces for each path that it is given, `/VERB/PATH`, and says how that was answered.
    let home = home.display();
    for (attempt, granted) in [
        (format!("/read{home}/open/notes"), true),
        (format!("/read{home}/open/%2e%2e/secret"), false),
        (format!("/read{home}/secret"), false),
        (format!("/write{home}/open/notes"), false),
        ("/read/etc/passwd".to_owned(), false),
    ] {
        let answer = files.canonicalize(&AbsPath::parse(&attempt)?);
        println!("{attempt}: {answer:?}");
        assert_eq!(answer.is_ok(), granted, "{attempt}");
    }
    Ok(())
}

#[test]
fn it_does_what_it_says() {
    main().expect("it ends well");
}

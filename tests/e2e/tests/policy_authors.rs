//! From an empty folder to a policy that is built, tested and installed, by the three commands that an author types; and then it decides.
//! The languages' own tools are needed: cargo with the wasm32 target and its linker, npm, Python with venv, each with its registry, and clang and make.

use std::path::Path;
use std::process::{Command, Output};

use lockgate_e2e::{Server, Wire, lockgate};
use serde_json::json;

fn author(folder: &Path, args: &[&str]) -> Output {
    let output = Command::new(lockgate())
        .args(args)
        .current_dir(folder)
        .env("RUSTC", compiler())
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{args:?}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The compiler that builds the guests: it knows the target, which the one in `PATH` need not.
fn compiler() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/toolchain.sh");
    let output = Command::new(script).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let path = String::from_utf8(output.stdout).expect("a path");
    path.trim().to_owned()
}

async fn from_nothing_to_installed(language: &str) {
    let folder = tempfile::tempdir().expect("a directory");
    let folder = folder.path();
    author(folder, &["policy", "new", "careful", "--lang", language]);
    let tested = author(folder, &["policy", "test", "careful"]);
    let said = String::from_utf8_lossy(&tested.stdout);
    assert!(said.ends_with("4 cases, 0 failed\n"), "{said}");
    author(
        folder,
        &["policy", "install", "careful", "--config", "lockgate.toml"],
    );

    let mut command = Server::command();
    command.arg("--config").arg(folder.join("lockgate.toml"));
    let server = Server::from_command(command);
    let mut wire = Wire::ready(&server).await;
    let write = json!({"path": folder.join("x"), "dataBase64": ""});
    let refusal = wire
        .call("fs/writeFile", write)
        .await
        .expect_err("not below its root");
    assert!(
        refusal
            .message
            .starts_with("policy \"careful\" denies this: "),
        "{refusal:?}"
    );
    let read = wire.call("fs/getMetadata", json!({"path": folder})).await;
    assert!(read.is_ok(), "{read:?}");
}

#[tokio::test]
async fn three_commands_lead_from_an_empty_folder_to_an_installed_policy_in_rust() {
    from_nothing_to_installed("rust").await;
}

#[tokio::test]
async fn three_commands_lead_from_an_empty_folder_to_an_installed_policy_in_javascript() {
    from_nothing_to_installed("js").await;
}

#[tokio::test]
async fn three_commands_lead_from_an_empty_folder_to_an_installed_policy_in_python() {
    from_nothing_to_installed("python").await;
}

#[tokio::test]
async fn three_commands_lead_from_an_empty_folder_to_an_installed_policy_in_c() {
    from_nothing_to_installed("c").await;
}

//! Accounts of NATS as `nsc` makes them: an operator's word for each account, an account's for each user, and a file with which a user comes.

use std::path::{Path, PathBuf};

use nkeys::KeyPair;
use serde_json::{Value, json};

/// An operator with one account, and files of a user of it and of one of somebody else's.
pub(crate) struct Accounts {
    /// What the server has to be told.
    pub(crate) settings: String,
    /// Good.
    pub(crate) credentials: PathBuf,
    /// Of a user whom another account vouches for, which no operator knows.
    pub(crate) strange: PathBuf,
}

impl Accounts {
    pub(crate) fn make(folder: &Path) -> Accounts {
        let [operator, system, account, stranger] = [
            KeyPair::new_operator(),
            KeyPair::new_account(),
            KeyPair::new_account(),
            KeyPair::new_account(),
        ];
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
            "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
        });
        let of_operator = json!({"type": "operator", "version": 2});
        let of_account = json!({"type": "account", "version": 2, "limits": limits});
        let of_system = json!({"type": "account", "version": 2});
        let settings = format!(
            "operator: \"{}\"\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n  {}: \"{}\"\n  {}: \"{}\"\n}}\n",
            word(&operator, &operator, &of_operator),
            system.public_key(),
            system.public_key(),
            word(&operator, &system, &of_system),
            account.public_key(),
            word(&operator, &account, &of_account),
        );
        Accounts {
            settings,
            credentials: user(&account, &folder.join("user.creds")),
            strange: user(&stranger, &folder.join("stranger.creds")),
        }
    }
}

/// A user's file.
fn user(account: &KeyPair, path: &Path) -> PathBuf {
    let user = KeyPair::new_user();
    let of_user = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        word(account, &user, &of_user),
        user.seed().expect("a seed"),
    );
    std::fs::write(path, text).expect("written");
    path.to_owned()
}

/// What one says of another, signed.
fn word(by: &KeyPair, of: &KeyPair, what: &Value) -> String {
    let text = |value: &Value| base64_simd::URL_SAFE_NO_PAD.encode_to_string(value.to_string());
    let head = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let public = of.public_key();
    let claims = json!({
        "jti": public, "iat": 1_700_000_000, "iss": by.public_key(), "name": "test", "sub": public, "nats": what,
    });
    let signed = format!("{}.{}", text(&head), text(&claims));
    let signature = by.sign(signed.as_bytes()).expect("signed");
    let signature = base64_simd::URL_SAFE_NO_PAD.encode_to_string(signature);
    format!("{signed}.{signature}")
}

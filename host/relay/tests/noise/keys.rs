//! Keys in JSON, as registries have them.

use lockgate_relay::noise::{Identity, PublicKeys, SUITE};
use serde_json::{Value, json};

fn keys() -> Value {
    // All numbers of the ML-KEM key are 0, but for the first two: 2 and 1, 12 bits each.
    json!({
        "suite": "Noise_hybridIK_X25519+MLKEM768_AESGCM_SHA256",
        "x25519_public_key": "+/++/////////////////////////////////////z8=",
        "mlkem768_public_key": format!("AhAA{}=", "A".repeat(1_575)),
    })
}

fn read(keys: Value) -> Result<PublicKeys, String> {
    serde_json::from_value(keys).map_err(|error| error.to_string())
}

#[test]
fn keys_have_this_form_in_json() {
    let parsed = read(keys()).expect("keys");
    assert_eq!(serde_json::to_value(&parsed).expect("JSON"), keys());
    let members = ["suite", "x25519_public_key", "mlkem768_public_key"]
        .map(|member| format!(r#""{member}":{}"#, keys()[member]));
    assert_eq!(
        serde_json::to_string(&parsed).expect("JSON"),
        format!("{{{}}}", members.join(","))
    );
    let own = Identity::generate();
    let written = serde_json::to_string(own.public()).expect("JSON");
    assert_eq!(
        &serde_json::from_str::<PublicKeys>(&written).expect("keys"),
        own.public()
    );
}

#[test]
fn attack_33_keys_that_are_none_are_refused() {
    let refusal = |change: &dyn Fn(&mut Value)| {
        let mut changed = keys();
        change(&mut changed);
        read(changed).expect_err("refused")
    };
    for suite in [
        "Noise_IK_25519_AESGCM_SHA256",
        "",
        &SUITE.to_lowercase(),
        &format!("{SUITE} "),
    ] {
        let said = refusal(&|keys| keys["suite"] = json!(suite));
        assert!(
            said.starts_with("keys of a suite that is not known"),
            "{said}"
        );
    }
    let said = refusal(&|keys| keys["more"] = json!(1));
    assert!(said.starts_with("unknown field `more`"), "{said}");
    for member in ["suite", "x25519_public_key", "mlkem768_public_key"] {
        let said = refusal(&|keys| drop(keys.as_object_mut().expect("an object").remove(member)));
        assert!(said.starts_with("missing field"), "{said}");
    }
    // Too short, too long, the other alphabet, without padding, with bits that say nothing, with a line's end.
    for key in [
        "",
        "AAAA",
        "+/++//////////////////////////////////////8/AAAA",
        "-_--_____________________________________z8=",
        "+/++/////////////////////////////////////z8",
        "+/++/////////////////////////////////////z9=",
        "+/++/////////////////////////////////////z8=\n",
    ] {
        let said = refusal(&|keys| keys["x25519_public_key"] = json!(key));
        assert_eq!(
            said, "the member x25519_public_key is not 32 bytes in base64",
            "{key}"
        );
        let said = refusal(&|keys| keys["mlkem768_public_key"] = json!(key));
        assert_eq!(
            said,
            "the member mlkem768_public_key is not 1184 bytes in base64"
        );
    }
    // The first number, and then the second, is the modulus.
    for beginning in ["AQ0A", "ABDQ"] {
        let said = refusal(&|keys| {
            keys["mlkem768_public_key"] = json!(format!("{beginning}{}=", "A".repeat(1_575)))
        });
        assert!(
            said.starts_with("an ML-KEM-768 key with a number above its modulus"),
            "{said}"
        );
    }
    let twice = format!(r#"{{"suite":"{SUITE}","suite":"{SUITE}"}}"#);
    assert!(serde_json::from_str::<PublicKeys>(&twice).is_err());
}

#[test]
fn what_is_printed_of_an_identity_is_only_the_beginning_of_a_public_key() {
    let identity = Identity::generate();
    let printed = format!("{identity:?}");
    let key = serde_json::to_value(identity.public()).expect("JSON")["x25519_public_key"]
        .as_str()
        .map(|key| key[..12].to_owned())
        .expect("a key");
    assert_eq!(printed, format!("Identity of PublicKeys({key}…)"));
}

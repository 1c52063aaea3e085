use super::super::registered::TokenFrom;
use super::*;

fn read(text: &str) -> Result<Config, EnvironmentError> {
    parse(
        text,
        Path::new("/home/environments.toml"),
        Some(Path::new("/home")),
    )
}

#[test]
fn every_rule_refuses_with_its_message() {
    let long = format!("[[environments]]\nid='{}'\nurl='ws://h'", "a".repeat(65));
    for (text, message) in [
        (
            "default=",
            "failed to parse environment config `/home/environments.toml`",
        ),
        ("other=1", "unknown field `other`"),
        (
            "[[environments]]\nid='a'\nurl='ws://h'\nheaders={}",
            "unknown field `headers`",
        ),
        (
            "[[environments]]\nid=''\nurl='ws://h'",
            "environment id cannot be empty",
        ),
        (
            "[[environments]]\nid=' a'\nurl='ws://h'",
            "environment id ` a` must not contain surrounding whitespace",
        ),
        (
            "[[environments]]\nid='local'\nurl='ws://h'",
            "environment id `local` is reserved",
        ),
        (
            "[[environments]]\nid='NONE'\nurl='ws://h'",
            "environment id `NONE` is reserved",
        ),
        (long.as_str(), "cannot be longer than 64 characters"),
        (
            "[[environments]]\nid='a.b'\nurl='ws://h'",
            "environment id `a.b` must contain only ASCII letters, numbers, '-' or '_'",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://h'\n[[environments]]\nid='a'\nurl='ws://h'",
            "environment id `a` is duplicated",
        ),
        (
            "[[environments]]\nid='a'",
            "environment `a` must set exactly one of url or program",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://h'\nprogram='p'",
            "environment `a` must set exactly one of url or program",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://h'\nargs=[]",
            "environment `a` args, env, and cwd require program",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://h'\nenv={}",
            "environment `a` args, env, and cwd require program",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://h'\ncwd='/'",
            "environment `a` args, env, and cwd require program",
        ),
        (
            "[[environments]]\nid='a'\nprogram='p'\nconnect_timeout_sec=1",
            "environment `a` connect_timeout_sec requires url",
        ),
        (
            "[[environments]]\nid='a'\nprogram=' '",
            "environment `a` program cannot be empty",
        ),
        (
            "[[environments]]\nid='a'\nurl=' '",
            "environment url cannot be empty",
        ),
        (
            "[[environments]]\nid='a'\nurl='http://h'",
            "environment url `http://h` must use ws:// or wss://",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://h:port'",
            "environment url `ws://h:port` is invalid",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://'",
            "environment url `ws://` is invalid",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://h'\nremote='http://h'",
            "environment `a` must set exactly one of url, program, or remote",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://h'\ntoken_file='t'",
            "environment `a` environment_id, token_file, token_command, and remote_transport require remote",
        ),
        (
            "[[environments]]\nid='a'\nremote='http://h'",
            "environment `a` remote requires environment_id",
        ),
        (
            "[[environments]]\nid='a'\nremote='http://h'\nenvironment_id='x/y'",
            "environment `a` environment_id: `x/y` cannot name an environment",
        ),
        (
            "[[environments]]\nid='a'\nremote='http://h'\nenvironment_id='x'",
            "environment `a` must set exactly one of token_file or token_command",
        ),
        (
            "[[environments]]\nid='a'\nremote='http://h'\nenvironment_id='x'\ntoken_file='t'\ntoken_command='c'",
            "environment `a` must set exactly one of token_file or token_command",
        ),
        (
            "[[environments]]\nid='a'\nremote='http://h'\nenvironment_id='x'\ntoken_command=' '",
            "environment `a` token_command cannot be empty",
        ),
        (
            "[[environments]]\nid='a'\nremote='http://h'\nenvironment_id='x'\ntoken_file='t'\nremote_transport='tls'",
            "environment `a` remote_transport `tls` must be noise or direct",
        ),
        (
            "[[environments]]\nid='a'\nremote='http://h'\nenvironment_id='x'\ntoken_file='t'\nargs=[]",
            "environment `a` args, env, and cwd require program",
        ),
        (
            "[[environments]]\nid='a'\nremote='ws://h?s=SECRET'\nenvironment_id='x'\ntoken_file='t'",
            "environment remote `ws://h/` must use http:// or https://",
        ),
        (
            "[[environments]]\nid='a'\nremote=' '\nenvironment_id='x'\ntoken_file='t'",
            "environment remote cannot be empty",
        ),
        ("default=' '", "default environment id cannot be empty"),
        ("default='b'", "default environment `b` is not configured"),
        (
            "include_local=false",
            "default environment `local` is not configured",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://h'\nconnect_timeout_sec=-1.0",
            "failed to parse",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://h'\ninitialize_timeout_sec=1e300",
            "failed to parse",
        ),
    ] {
        let error = read(text).expect_err(text).to_string();
        assert!(error.contains(message), "{text}\n{error}\n{message}");
    }
    let nowhere = parse(
        "[[environments]]\nid='a'\nprogram='p'\ncwd='x'",
        Path::new("e"),
        None,
    );
    assert_eq!(
        nowhere,
        Err(EnvironmentError::Rule(
            "environment `a` cwd must be absolute".into()
        ))
    );
    let missing = load(Path::new("/nowhere/environments.toml"))
        .expect_err("missing")
        .to_string();
    assert!(missing.starts_with("failed to read environment config `/nowhere/environments.toml`"));
}

#[test]
fn a_mistake_is_told_in_words_of_the_file_and_by_the_place_that_it_is_in() {
    for (text, message) in [
        (
            "[environments]\nid='a'\nurl='ws://h'",
            "expected [[environments]] in two brackets, once for each of them",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://h'\nconnect_timeout_sec=-1",
            "expected seconds, a number from 0 to 1.8e19",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://h'\nconnect_timeout_sec=nan",
            "expected seconds, a number from 0 to 1.8e19",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://h'\ninitialize_timeout_sec='5'",
            "invalid type: string \"5\", expected seconds, a number from 0 to 1.8e19",
        ),
        (
            "default='bxo'\n[[environments]]\nid='box'\nurl='ws://h'",
            "default environment `bxo` is not configured; did you mean `box`?",
        ),
        (
            "default='Local'",
            "default environment `Local` is not configured; did you mean `local`?",
        ),
        (
            "[[environments]]\nid='a'\nurl=''",
            "environment url cannot be empty (of `a`)",
        ),
        (
            "[[environments]]\nid='a'\nurl='http://u:SECRET@h/?token=SECRET'",
            "environment url `http://h/` must use ws:// or wss:// (of `a`)",
        ),
        (
            "[[environments]]\nid='a'\nurl='ws://u:SECRET@h:99999/?token=SECRET#SECRET'",
            "environment url `ws://h:99999/` is invalid: invalid port number (of `a`)",
        ),
    ] {
        let error = read(text).expect_err(text).to_string();
        assert!(error.contains(message), "{text}\n{error}\n{message}");
        assert!(!error.contains("SECRET"), "{error}");
        assert_eq!(error.trim_end(), error);
    }
    let config = read(
        "[[environments]]\nid='a'\nurl='ws://h'\nconnect_timeout_sec=3\ninitialize_timeout_sec=0.25",
    );
    let config = config.expect("whole and broken numbers");
    assert_eq!(
        config.environments[0].initialize_timeout,
        Duration::from_millis(250)
    );
}

#[test]
fn a_registry_leads_to_an_executor_encrypted_if_nothing_else_is_said() {
    let keys = "[[environments]]\nid='a'\nremote=' https://h '\nenvironment_id='x'\n";
    let reach = |more: &str| {
        let config = read(&format!("{keys}{more}")).expect(more);
        match config.environments[0].reach.clone() {
            Reach::Registered(registered) => registered,
            other => panic!("{other:?}"),
        }
    };
    let found = reach("token_file='t'\nconnect_timeout_sec=3");
    assert_eq!(found.token, TokenFrom::File("/home/t".into()));
    assert!(found.encrypt && found.connect_timeout == Duration::from_secs(3));
    assert_eq!(found.shown(), "x at https://h/");
    let found = reach("token_command='pass SECRET'\nremote_transport='direct'");
    assert!(!found.encrypt && !format!("{found:?}").contains("SECRET"));
}

#[test]
fn what_is_not_said_has_its_default() {
    let config = read("").expect("empty");
    assert_eq!(config.default.as_deref(), Some(LOCAL));
    assert!(config.include_local && config.environments.is_empty());
    let config = read("default='None'\ninclude_local=false").expect("disabled");
    assert_eq!(config.default, None);
    let config = read("default='b'\n[[environments]]\nid='b'\nurl='ws://h:1'\nconnect_timeout_sec=0.5\n[[environments]]\nid='s'\nprogram='ssh'\ncwd='tools'")
        .expect("two");
    assert_eq!(config.default.as_deref(), Some("b"));
    assert_eq!(
        config.environments[0].reach,
        Reach::Url {
            url: "ws://h:1".into(),
            connect_timeout: Duration::from_millis(500)
        }
    );
    assert_eq!(
        config.environments[0].initialize_timeout,
        limits::INITIALIZE
    );
    let Reach::Program(program) = &config.environments[1].reach else {
        panic!("a program")
    };
    assert_eq!(program.cwd.as_deref(), Some(Path::new("/home/tools")));
}

#[test]
fn an_entry_whose_program_cannot_be_started_so_says_why_and_leaves_the_file_as_good_as_it_is() {
    for (line, why) in [
        (
            "args=['a', \"b\\u0000\"]",
            "program and args must not contain NUL",
        ),
        (
            "env={ 'A=B'='c' }",
            "env name `A=B` must be one: not empty, and without `=` and NUL",
        ),
        (
            "env={ ''='c' }",
            "env name `` must be one: not empty, and without `=` and NUL",
        ),
        (
            "env={ \"A\\u0000\"='c' }",
            "env name `A\\0` must be one: not empty, and without `=` and NUL",
        ),
        (
            "env={ A=\"SECRET\\u0000\" }",
            "env value of `A` must not contain NUL",
        ),
        ("env={ A='b=c', B='' }\nargs=['']", ""),
    ] {
        let config = read(&format!("[[environments]]\nid='a'\nprogram='p'\n{line}"));
        let config = config.expect(line);
        let Reach::Program(program) = &config.environments[0].reach else {
            panic!("{config:?}");
        };
        assert_eq!(program.check().err().unwrap_or_default(), why);
    }
}

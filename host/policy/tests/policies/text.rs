//! Policies written as text, for what no compiler makes.

use std::path::{Path, PathBuf};

/// A policy as text: what it says of itself, and the parts that a test exchanges.
pub(crate) struct Text {
    /// Its name: four characters.
    pub(crate) name: &'static str,
    /// Its version: five characters.
    pub(crate) version: &'static str,
    /// More of its core module: functions `$start` and others, tables, memories.
    pub(crate) module: &'static str,
    /// Ends with the address of the answer to `describe`.
    pub(crate) describe: &'static str,
    /// Ends with the address of the answer to `evaluate`; all zero is `allow`.
    pub(crate) evaluate: &'static str,
    /// More of the component before its exports.
    pub(crate) component: &'static str,
    /// What the core module imports, and what it is given.
    pub(crate) imports: &'static str,
    pub(crate) given: &'static str,
    /// The type of `evaluate`'s answer.
    pub(crate) answer: &'static str,
}

/// Of a well-behaved one that allows everything.
pub(crate) const ALLOWS: Text = Text {
    name: "text",
    version: "1.0.0",
    module: "",
    describe: "(i32.const 64)",
    evaluate: "(i32.const 1024)",
    component: "",
    imports: "",
    given: "",
    answer: "(result (result $verdict (error string)))",
};

impl Text {
    /// The component.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        wat::parse_str(self.text()).expect("the text is a component")
    }

    /// The component in a file of its own.
    pub(crate) fn file(&self, directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(format!("{name}.wasm"));
        std::fs::write(&path, self.bytes()).expect("written");
        path
    }

    fn text(&self) -> String {
        let Text {
            name,
            version,
            module,
            describe,
            evaluate,
            component,
            imports,
            given,
            answer,
        } = self;
        format!(
            r#"(component
  {TYPES}
  {component}
  (core module $m
    {imports}
    (memory $own (export "memory") 2)
    ;; ok, and then name, version, summary and actions as address and length.
    (data (memory $own) (i32.const 64) "\00\00\00\00\00\02\00\00\04\00\00\00\10\02\00\00\05\00\00\00\20\02\00\00\04\00\00\00\30\02\00\00\04\00\00\00")
    (data (memory $own) (i32.const 512) "{name}")
    (data (memory $own) (i32.const 528) "{version}")
    (data (memory $own) (i32.const 544) "text")
    (data (memory $own) (i32.const 560) "\00\01\02\03")
    {module}
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "describe") (result i32) {describe})
    (func (export "evaluate") (param i32) (result i32) {evaluate}))
  (core instance $i (instantiate $m {given}))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (func $describe (result (result $description (error string)))
    (canon lift (core func $i "describe") (memory $memory) (realloc $realloc)))
  (func $evaluate (param "subject" $subject) (param "action" $action) {answer}
    (canon lift (core func $i "evaluate") (memory $memory) (realloc $realloc)))
  (instance $evaluator (export "describe" (func $describe)) (export "evaluate" (func $evaluate)))
  (export "lockgate:policy/evaluator@0.1.0" (instance $evaluator)))"#
        )
    }
}

/// `wit/policy/types.wit`.
const TYPES: &str = r#"
  (import "lockgate:policy/types@0.1.0" (instance $types
    (type $transport' (enum "websocket" "stdio" "relay"))
    (export "transport" (type $transport (eq $transport')))
    (type $subject' (record (field "session" string) (field "client" string) (field "environment" (option string))
      (field "transport" $transport) (field "identity" (option string))))
    (export "subject" (type (eq $subject')))
    (type $kind' (enum "process-start" "process-write" "file" "http"))
    (export "action-kind" (type $kind (eq $kind')))
    (type $start' (record (field "argv" (list string)) (field "program" (option string)) (field "cwd" string)
      (field "env-names" (list string)) (field "tty" bool) (field "sandboxed" bool)))
    (export "process-start" (type $start (eq $start')))
    (type $write' (record (field "process" string) (field "argv0" string) (field "tty" bool) (field "data" (list u8))))
    (export "process-write" (type $write (eq $write')))
    (type $verb' (enum "read" "metadata" "canonicalize" "read-directory" "walk" "read-tree" "watch" "write" "append"
      "create-directory" "remove" "copy" "rename" "symlink" "set-mode" "set-times" "write-tree"))
    (export "file-verb" (type $verb (eq $verb')))
    (type $access' (enum "look" "read" "write"))
    (export "access" (type $access (eq $access')))
    (type $path' (record (field "path" string) (field "access" $access)))
    (export "file-path" (type $path (eq $path')))
    (type $file' (record (field "verb" $verb) (field "paths" (list $path)) (field "recursive" bool) (field "sandboxed" bool)))
    (export "file-operation" (type $file (eq $file')))
    (type $http' (record (field "method" string) (field "url" string) (field "host" string) (field "port" u16)
      (field "header-names" (list string)) (field "hop" u32)))
    (export "http-request" (type $http (eq $http')))
    (type $action' (variant (case "process-start" $start) (case "process-write" $write) (case "file" $file) (case "http" $http)))
    (export "action" (type (eq $action')))
    (type $decision' (variant (case "allow") (case "deny" string) (case "ask" string) (case "abstain")))
    (export "decision" (type $decision (eq $decision')))
    (type $entry' (record (field "path" string) (field "access" (option $access))))
    (export "grant-entry" (type $entry (eq $entry')))
    (type $narrowing' (record (field "grant" (option (list $entry))) (field "drop-env" (list string))
      (field "time-limit" (option u64)) (field "output-limit" (option u64))))
    (export "narrowing" (type $narrowing (eq $narrowing')))
    (type $verdict' (record (field "decision" $decision) (field "narrowing" (option $narrowing)) (field "rule" (option string))
      (field "details" (option string))))
    (export "verdict" (type (eq $verdict')))
    (type $description' (record (field "name" string) (field "version" string) (field "summary" string) (field "actions" (list $kind))))
    (export "description" (type (eq $description')))))
  (alias export $types "subject" (type $subject))
  (alias export $types "action" (type $action))
  (alias export $types "verdict" (type $verdict))
  (alias export $types "description" (type $description))
"#;

//! How the demo speaks: chapters, notes, messages cut to a readable length, and a table of times at the end.

use std::io::IsTerminal as _;
use std::time::Duration;

use serde_json::Value;

/// Longest contents inside a printed message, in base64 digits.
const LONGEST_CONTENTS: usize = 44;
/// Longest list inside a printed message.
const LONGEST_LIST: usize = 3;

/// The teller.
pub(crate) struct Story {
    chapter: usize,
    colours: bool,
    times: Vec<(usize, String, Duration)>,
    sandbox_shown: bool,
}

impl Story {
    /// At the beginning.
    pub(crate) fn new() -> Self {
        Self {
            chapter: 0,
            colours: std::io::stdout().is_terminal(),
            times: Vec::new(),
            sandbox_shown: false,
        }
    }

    /// A new numbered step with what it is about.
    pub(crate) fn chapter(&mut self, title: &str, about: &str) {
        self.chapter += 1;
        println!();
        self.line("1", &format!("{}. {title}", self.chapter));
        println!("   {about}");
    }

    /// A line of its own.
    pub(crate) fn note(&self, text: &str) {
        println!("   {text}");
    }

    /// Something that was checked and holds.
    pub(crate) fn holds(&self, text: &str) {
        self.line("32", &format!("   ok  {text}"));
    }

    /// A request on its way. The first sandbox is shown in full, later ones by what they grant.
    pub(crate) fn sent(&mut self, message: &Value) {
        let mut message = message.clone();
        if let Some(sandbox) = message
            .pointer_mut("/params/sandbox")
            .filter(|it| !it.is_null())
        {
            if self.sandbox_shown {
                *sandbox = grants(sandbox).into();
            }
            self.sandbox_shown = true;
        }
        self.line("2", &format!("   -> {}", shorten(&message)));
    }

    /// A message that came.
    pub(crate) fn received(&self, message: &Value) {
        let mut line = format!("   <- {}", shorten(message));
        if message["method"] == "process/output"
            && let Ok(text) = crate::processes::text_of(&message["params"])
        {
            line.push_str(&format!("   = {text:?}"));
        }
        self.line("2", &line);
    }

    /// A time for the table.
    pub(crate) fn time(&mut self, what: &str, taken: Duration) {
        self.times.push((self.chapter, what.to_owned(), taken));
    }

    /// The table.
    pub(crate) fn summary(&self) {
        println!();
        self.line("1", "Summary: all of it behaved as printed");
        for (chapter, what, taken) in &self.times {
            println!("   {chapter}  {what:<52}{:>12}", show(*taken));
        }
        println!(
            "   Times are single calls from this program, wake-ups included; `make bench` measures."
        );
    }

    fn line(&self, style: &str, text: &str) {
        if self.colours {
            println!("\x1b[{style}m{text}\x1b[0m");
        } else {
            println!("{text}");
        }
    }
}

/// A time in the unit that a person would choose.
pub(crate) fn show(taken: Duration) -> String {
    if taken < Duration::from_millis(1) {
        format!("{} us", taken.as_micros())
    } else {
        format!("{:.1} ms", taken.as_secs_f64() * 1e3)
    }
}

/// What a profile of paths grants, in words.
fn grants(sandbox: &Value) -> String {
    let entries = sandbox["permissions"]["file_system"]["entries"].as_array();
    let words = entries.into_iter().flatten().map(|entry| {
        let path = entry["path"]["path"].as_str().unwrap_or_default();
        format!("{} {path}", entry["access"].as_str().unwrap_or_default())
    });
    format!("… {}", words.collect::<Vec<_>>().join(", "))
}

/// One line of JSON with long contents and lists cut.
fn shorten(message: &Value) -> String {
    fn cut(name: &str, value: &Value) -> Value {
        match value {
            Value::String(text)
                if matches!(name, "dataBase64" | "chunk") && text.len() > LONGEST_CONTENTS =>
            {
                // Base64 is ASCII; anything else would be shown as it is.
                let head = text.get(..LONGEST_CONTENTS / 2).unwrap_or(text);
                format!("{head}… {} characters", text.len()).into()
            }
            Value::Array(list) if list.len() > LONGEST_LIST && list[0].is_object() => {
                let mut shown: Vec<Value> = list.iter().take(2).map(|it| cut("", it)).collect();
                shown.push(format!("… {} in all", list.len()).into());
                shown.into()
            }
            Value::Array(list) => list.iter().map(|it| cut("", it)).collect(),
            // The protocol has a dozen flags for what others do; those that are set tell something.
            Value::Object(flags) if name == "capabilities" => flags
                .iter()
                .filter(|(_, flag)| **flag != false)
                .map(|(name, flag)| (name.clone(), cut(name, flag)))
                .chain([("…".to_owned(), "others: false".into())])
                .collect(),
            Value::Object(members) => {
                let cut = |(name, member): (&String, &Value)| (name.clone(), cut(name, member));
                members.iter().map(cut).collect()
            }
            other => other.clone(),
        }
    }
    cut("", message).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_contents_are_cut_and_paths_are_not() {
        let text = shorten(&json!({"dataBase64": "A".repeat(400), "path": "/a".repeat(40)}));
        assert!(text.contains("400 characters"));
        assert!(text.contains(&"/a".repeat(40)));
    }

    #[test]
    fn long_lists_tell_how_long_they_are() {
        let entries: Vec<_> = (0..9).map(|n| json!({"n": n})).collect();
        assert_eq!(
            shorten(&json!(entries)),
            r#"[{"n":0},{"n":1},"… 9 in all"]"#
        );
    }
}

//! Characters that have a text read as another one than it is: a path in a question, a line of a log.
//!
//! One list for all that shows what others chose, so that nothing passes at one place that is escaped at another.

/// It drives a terminal (C0, DEL, C1), ends a line (U+2028, U+2029), has others shown in another order than they are read in, or is shown as
/// nothing or as a blank (Unicode's "default ignorable" characters, fillers, the blank of Braille). But for [`is_selector`].
pub fn is_unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        // Soft hyphen, grapheme joiner, fillers, the blank of Braille.
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}')
        // Tags, and the selectors of ideographs.
        || matches!(c, '\u{e0000}'..='\u{e0fff}')
}

/// It chooses between looks of the character before it, and is shown as nothing where that has only one. Honest names have it: of emoji (U+FE0F), in
/// Mongolian. So it is for whoever shows a text to say whether it may stay.
pub fn is_selector(c: char) -> bool {
    matches!(c, '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}')
}

/// Both of them: what is escaped where somebody decides by what is shown.
pub fn misleads(c: char) -> bool {
    is_unfit(c) || is_selector(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_told_from_what_is() {
        let unfit = "\0\n\u{1b}\u{7f}\u{85}\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{180e}\u{200b}\u{200f}\u{2028}\u{2029}\u{202e}\u{2060}\u{206a}\u{206f}\u{2800}\
                     \u{3164}\u{feff}\u{ffa0}\u{fff9}\u{fffb}\u{e0001}\u{e0020}\u{e007f}\u{e0100}\u{e01ef}";
        for c in unfit.chars() {
            assert!(is_unfit(c) && !is_selector(c), "{c:?}");
        }
        for c in "\u{180b}\u{180f}\u{fe00}\u{fe0f}".chars() {
            assert!(is_selector(c) && !is_unfit(c), "{c:?}");
        }
        for c in " a~\u{a0}\u{e9}\u{4e00}\u{1820}\u{2764}\u{fffd}\u{1f600}".chars() {
            assert!(!is_unfit(c) && !is_selector(c), "{c:?}");
        }
    }
}

//! Permission bits as people read them.

use std::fmt;

/// `mode` of an answer, shown as `ls` shows it: `rwxr-xr-x`, with `s`, `S`, `t` and `T` for set-user-id, set-group-id and the sticky bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions(pub u32);

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for (shift, special, marks) in [
            (6, 0o4000, ['s', 'S']),
            (3, 0o2000, ['s', 'S']),
            (0, 0o1000, ['t', 'T']),
        ] {
            let has = |bit: u32| self.0 >> shift & bit != 0;
            f.write_char(if has(4) { 'r' } else { '-' })?;
            f.write_char(if has(2) { 'w' } else { '-' })?;
            f.write_char(match (self.0 & special != 0, has(1)) {
                (true, true) => marks[0],
                (true, false) => marks[1],
                (false, true) => 'x',
                (false, false) => '-',
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_shown_as_ls_shows_them() {
        for (mode, shown) in [
            (0o644, "rw-r--r--"),
            (0o755, "rwxr-xr-x"),
            (0, "---------"),
            (0o4755, "rwsr-xr-x"),
            (0o4644, "rwSr--r--"),
            (0o2750, "rwxr-s---"),
            (0o2640, "rw-r-S---"),
            (0o1777, "rwxrwxrwt"),
            (0o1770, "rwxrwx--T"),
            (0o7777, "rwsrwsrwt"),
        ] {
            assert_eq!(Permissions(mode).to_string(), shown, "{mode:o}");
        }
    }
}

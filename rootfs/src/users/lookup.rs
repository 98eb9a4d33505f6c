//! Looks up the user of a step in the image's own `/etc/passwd` and `/etc/group`: `passwd(5)`, `group(5)`.
//!
//! Pure: the caller reads the two files (below the root, regular files only, of a sane size)
//! and passes their bytes, empty when a file does not exist. Nothing of the image is executed or loaded for it
//! (CVE-2019-14271).

use std::path::PathBuf;

use rbuild_sandbox::Credentials;

/// A `passwd` or `group` larger than this is not read (CVE-2024-9676).
pub(super) const MAX_DATABASE_SIZE: u64 = 10 * 1024 * 1024;

/// Ids above this wrap or turn negative somewhere (CVE-2024-40635).
const MAX_ID: u32 = i32::MAX as u32;

/// A user as a step runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Further groups, sorted; the primary one is among them only where it lists the user.
    pub groups: Vec<u32>,
    /// Home directory from `passwd`; `None` when the user is not listed or has none.
    pub home: Option<PathBuf>,
}

impl User {
    /// The ids alone.
    pub fn credentials(&self) -> Credentials {
        Credentials {
            uid: self.uid,
            gid: self.gid,
            groups: self.groups.clone(),
        }
    }
}

/// A user or group that cannot be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The name is not in the image.
    #[error("the image's /etc/passwd has no user `{0}`")]
    NoUser(String),
    /// The name is not in the image.
    #[error("the image's /etc/group has no group `{0}`")]
    NoGroup(String),
    /// A number that is no id.
    #[error("`{0}` is no user or group id: the largest is {MAX_ID}")]
    TooLarge(String),
    /// More than one colon.
    #[error("`{0}` is not of the form user[:group]")]
    Malformed(String),
}

/// Resolves `user[:group]`, each a name or a number.
///
/// A number need not be listed; then its group is 0 unless one is given. With a group given, only that one counts;
/// otherwise the user's primary group and those that list the user. A name made of digits is a number unless
/// `passwd` lists that name. No user is user 0, so that an empty `spec` is root, and `:50` root in another group.
///
/// # Errors
/// A name that is not listed, a number that is no id.
pub(super) fn resolve(spec: &str, passwd: &[u8], group: &[u8]) -> Result<User, LookupError> {
    let (user, group_spec) = spec.split_once(':').unwrap_or((spec, ""));
    if group_spec.contains(':') {
        return Err(LookupError::Malformed(spec.to_owned()));
    }
    let user = if user.is_empty() { "0" } else { user };
    let entries = || lines(passwd).filter_map(PasswdEntry::parse);
    let number = parse_id(user)?;
    let entry = entries()
        .find(|entry| entry.name == user.as_bytes())
        .or_else(|| entries().find(|entry| Some(entry.uid) == number));
    let uid = match (&entry, number) {
        (Some(entry), _) => entry.uid,
        (None, Some(number)) => number,
        (None, None) => return Err(LookupError::NoUser(user.to_owned())),
    };
    let home = entry.as_ref().and_then(|entry| entry.home.clone());
    // `user:` with nothing behind it means the same as `user`.
    if !group_spec.is_empty() {
        return Ok(User {
            uid,
            gid: resolve_group(group_spec, group)?,
            groups: Vec::new(),
            home,
        });
    }
    let mut groups = match &entry {
        Some(entry) => lines(group)
            .filter_map(GroupEntry::parse)
            .filter(|group| group.members.contains(&entry.name))
            .map(|group| group.gid)
            .collect(),
        None => Vec::new(),
    };
    groups.sort_unstable();
    groups.dedup();
    Ok(User {
        uid,
        gid: entry.map_or(0, |entry| entry.gid),
        groups,
        home,
    })
}

fn resolve_group(name: &str, group: &[u8]) -> Result<u32, LookupError> {
    let number = parse_id(name)?;
    let listed = lines(group)
        .filter_map(GroupEntry::parse)
        .find(|entry| entry.name == name.as_bytes());
    listed
        .map(|entry| entry.gid)
        .or(number)
        .ok_or_else(|| LookupError::NoGroup(name.to_owned()))
}

/// A number in range, or `None` for what is a name.
fn parse_id(text: &str) -> Result<Option<u32>, LookupError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(id) if id <= MAX_ID => Ok(Some(id)),
        _ => Err(LookupError::TooLarge(text.to_owned())),
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii)
}

fn id(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field)
        .ok()?
        .parse()
        .ok()
        .filter(|id| *id <= MAX_ID)
}

struct PasswdEntry<'a> {
    name: &'a [u8],
    uid: u32,
    gid: u32,
    home: Option<PathBuf>,
}

impl<'a> PasswdEntry<'a> {
    /// `name:password:uid:gid:comment:home:shell`; other lines are none of ours.
    fn parse(line: &'a [u8]) -> Option<Self> {
        use std::os::unix::ffi::OsStrExt;
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields
            .next()
            .filter(|name| !name.is_empty() && !name.starts_with(b"#"))?;
        fields.next()?;
        let (uid, gid) = (id(fields.next()?)?, id(fields.next()?)?);
        let home = fields.nth(1).filter(|home| home.starts_with(b"/"));
        Some(Self {
            name,
            uid,
            gid,
            home: home.map(|home| std::ffi::OsStr::from_bytes(home).into()),
        })
    }
}

struct GroupEntry<'a> {
    name: &'a [u8],
    gid: u32,
    members: Vec<&'a [u8]>,
}

impl<'a> GroupEntry<'a> {
    /// `name:password:gid:member,member`.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields
            .next()
            .filter(|name| !name.is_empty() && !name.starts_with(b"#"))?;
        fields.next()?;
        let gid = id(fields.next()?)?;
        let members = fields
            .next()
            .unwrap_or_default()
            .split(|byte| *byte == b',')
            .collect();
        Some(Self { name, gid, members })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\
        # comment:x:7:7::/:/\n\
        ann:x:1000:1001:Ann:/home/ann:/bin/sh\n\
        1234:x:55:56::/home/digits:\n\
        huge:x:4294967296:0::/:/\n\
        broken line\n\
        nohome:x:60:60\n";
    const GROUP: &[u8] = b"root:x:0:\nann:x:1001:\nwheel:x:10:root,ann\naudio:x:29:ann\nanna:x:9:anna\n";

    fn resolve(spec: &str) -> Result<User, LookupError> {
        super::resolve(spec, PASSWD, GROUP)
    }

    fn ids(spec: &str) -> (u32, u32, Vec<u32>) {
        let user = resolve(spec).unwrap();
        (user.uid, user.gid, user.groups)
    }

    #[test]
    fn the_eight_forms() {
        assert_eq!(ids("ann"), (1000, 1001, vec![10, 29]));
        assert_eq!(ids("1000"), (1000, 1001, vec![10, 29]));
        assert_eq!(ids("ann:audio"), (1000, 29, vec![]));
        assert_eq!(ids("ann:77"), (1000, 77, vec![]));
        assert_eq!(ids("5000"), (5000, 0, vec![]));
        assert_eq!(ids("5000:audio"), (5000, 29, vec![]));
        assert_eq!(ids("5000:5001"), (5000, 5001, vec![]));
        assert_eq!(ids(""), (0, 0, vec![10]));
    }

    #[test]
    fn home_comes_from_the_entry() {
        assert_eq!(resolve("1000").unwrap().home, Some("/home/ann".into()));
        assert_eq!(resolve("5000").unwrap().home, None);
        assert_eq!(resolve("nohome").unwrap().home, None);
        assert_eq!(resolve("root").unwrap().home, Some("/root".into()));
    }

    #[test]
    fn a_listed_name_of_digits_wins_over_the_number() {
        assert_eq!(ids("1234"), (55, 56, vec![]));
    }

    #[test]
    fn unknown_names_are_errors() {
        assert_eq!(resolve("bob"), Err(LookupError::NoUser("bob".into())));
        assert_eq!(resolve("ann:nobody"), Err(LookupError::NoGroup("nobody".into())));
        assert_eq!(resolve("comment"), Err(LookupError::NoUser("comment".into())));
        assert_eq!(
            super::resolve("bob", b"", b""),
            Err(LookupError::NoUser("bob".into()))
        );
    }

    #[test]
    fn ids_do_not_wrap() {
        for spec in [
            "4294967296",
            "2147483648",
            "4294967295",
            "99999999999999999999",
            "0:4294967296",
        ] {
            assert!(matches!(resolve(spec), Err(LookupError::TooLarge(_))), "{spec}");
        }
        assert_eq!(resolve("huge"), Err(LookupError::NoUser("huge".into())));
        assert_eq!(ids("2147483647").0, 2_147_483_647);
        assert!(resolve("-1").is_err());
        assert!(resolve("+0").is_err());
    }

    #[test]
    fn no_user_is_root() {
        assert_eq!(ids(":audio"), (0, 29, vec![]));
        assert_eq!(ids(":50"), (0, 50, vec![]));
        assert_eq!(resolve(":50").unwrap().home, Some("/root".into()));
        assert_eq!(resolve(":ghosts"), Err(LookupError::NoGroup("ghosts".into())));
        assert!(matches!(resolve(":4294967296"), Err(LookupError::TooLarge(_))));
        assert_eq!(ids(":"), ids(""));
        assert_eq!(ids("ann:"), ids("ann"));
        for spec in ["a:b:c", "::", "ann::"] {
            assert!(matches!(resolve(spec), Err(LookupError::Malformed(_))), "{spec}");
        }
    }
}

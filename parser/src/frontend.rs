//! Which frontend image a file asks for. This crate stands in for `docker/dockerfile`; other frontends read other
//! languages, and files for them may not even be Dockerfiles: BuildKit finds `// syntax=` and `{"syntax": ""}` too.

use crate::Span;
use crate::directive::key_value;
use crate::json;
use crate::line::PhysicalLines;

/// Whether an image is the Dockerfile frontend that this crate stands in for: any tag or digest of
/// `docker/dockerfile` and `docker/dockerfile-upstream`, of Docker Hub or of a mirror.
///
/// ```
/// use dockerfile_parser::frontend::is_builtin;
/// assert!(is_builtin("docker/dockerfile:1-labs"));
/// assert!(is_builtin("mirror.example.org/hub/docker/dockerfile:1@sha256:0123"));
/// assert!(!is_builtin("example/frontend"));
/// ```
pub fn is_builtin(image: &str) -> bool {
    let name = image.split('@').next().unwrap_or_default();
    // A colon before the last slash is that of a port.
    let mut parts = name.rsplit('/');
    let last = parts.next().unwrap_or_default();
    let last = last.split(':').next().unwrap_or_default();
    matches!(last, "dockerfile" | "dockerfile-upstream") && parts.next() == Some("docker")
}

/// A frontend that is named outside of `#` comments: the file is in another language.
pub(crate) struct Foreign {
    pub(crate) image: String,
    pub(crate) span: Span,
}

/// Looks for `// syntax=` at the top, or for a JSON object with a `syntax`, whatever else it holds. `start` is behind a byte order mark.
pub(crate) fn of_another_language(source: &str, start: usize) -> Option<Foreign> {
    let mut lines = PhysicalLines::new(source, start);
    let mut begin = start;
    let mut first = lines.next()?;
    if first.text.starts_with("#!") {
        begin = lines.offset();
        first = lines.next()?;
    }
    if first.text.starts_with("//") {
        for line in std::iter::once(first).chain(lines) {
            let (key, value, span) = key_value(&line, "//")?;
            if key.eq_ignore_ascii_case("syntax") {
                return Some(foreign(value, span));
            }
            if !["escape", "check"]
                .iter()
                .any(|known| key.eq_ignore_ascii_case(known))
            {
                return None;
            }
        }
        return None;
    }
    let (value, range) = json::string_member(source.get(begin..)?, "syntax")?;
    Some(foreign(&value, Span::new(begin + range.start, begin + range.end)))
}

fn foreign(value: &str, span: Span) -> Foreign {
    // What follows the image is for the frontend.
    let image = value.split(' ').next().unwrap_or_default().to_owned();
    Foreign { image, span }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dockerfile_frontend_under_all_its_names() {
        for own in [
            "docker/dockerfile",
            "docker/dockerfile:1.7-labs",
            "docker.io/docker/dockerfile:1@sha256:0",
            "docker/dockerfile-upstream:master",
            "localhost:5000/docker/dockerfile",
        ] {
            assert!(is_builtin(own), "{own}");
        }
        for other in [
            "dockerfile",
            "docker/dockerfiles:1",
            "example/dockerfile",
            "docker:1/dockerfile",
            "",
        ] {
            assert!(!is_builtin(other), "{other}");
        }
    }

    #[test]
    fn other_languages_name_their_frontend() {
        let image = |source: &str| {
            let foreign = of_another_language(source, 0)?;
            assert!(foreign.span.text(source).starts_with(&foreign.image), "{source}");
            Some(foreign.image)
        };
        assert_eq!(image("// syntax = a/b:1 more\n"), Some("a/b:1".into()));
        assert_eq!(image("//check=skip=all\n//SYNTAX=a\nlet x"), Some("a".into()));
        assert_eq!(image("#!/usr/bin/env x\n// syntax=a\n"), Some("a".into()));
        assert_eq!(image("{\"x\": \"y\", \"syntax\": \"a/b\"}\n"), Some("a/b".into()));
        assert_eq!(image("#!x\n{ \"syntax\" : \"a\" }"), Some("a".into()));
        assert_eq!(
            image("{\"syntax\": \"x\", \"other\": [\"y\", {\"z\": null}], \"n\": -1.5e3}"),
            Some("x".into())
        );
        assert_eq!(
            image("{\"syntax\": \"x\", \"other\": [\"y\"]} \r\nFROM scratch\n"),
            Some("x".into())
        );
        assert_eq!(
            image("{\"other\": {\"syntax\": \"no\"},\n \"syntax\": \"x\"\n}\n"),
            Some("x".into())
        );
        for none in [
            "",
            "FROM a\n// syntax=a\n",
            "// a comment\n// syntax=a\n",
            " // syntax=a\n",
            "{\"syntax\": 1}",
            "{\"syntax\": \"a\", \"x\": [1}",
            "{\"syntax\": \"a\", \"syntax\": [1]}",
            "{\"x\": {\"syntax\": \"a\"}}",
            "{\"syntax\": \"a\"} FROM",
            "{}",
        ] {
            assert_eq!(image(none), None, "{none}");
        }
    }
}

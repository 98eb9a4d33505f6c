//! Listing tags.

use rbuild_oci::Reference;

use crate::auth::Scope;
use crate::client::{Client, attempt};
use crate::error::{Action, Error, ErrorKind};
use crate::session::{Call, Target};
use crate::url::Url;

const PAGE_LIMIT: u64 = 8 << 20;
const MAX_PAGES: usize = 10_000;

#[derive(serde::Deserialize)]
struct TagPage {
    #[serde(default, deserialize_with = "rbuild_oci::json::null_is_default")]
    tags: Vec<String>,
}

impl Client {
    /// All tags of a repository, sorted.
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>, Error> {
        let attempt = attempt(Action::ListTags, reference, "");
        let scope = Scope::pull(reference.repository());
        let fail = |kind: ErrorKind| kind.at(&attempt);
        let mut tags = Vec::new();
        let mut next: Option<Url> = None;
        for _ in 0..MAX_PAGES {
            let (page, following) = self.retry(&attempt, || {
                let target = match &next {
                    None => Target::Path(format!("/v2/{}/tags/list", reference.repository())),
                    Some(url) => Target::Url(url.clone()),
                };
                let call = Call::new(&attempt, &scope, ureq::http::Method::GET, target);
                let answer = self.expect(self.session().call(&call)?, &attempt, &[200])?;
                let following = match answer.header("link").and_then(next_link) {
                    None => None,
                    Some(link) => Some(answer.url.join(link).map_err(|e| fail(e.into()))?),
                };
                if following
                    .as_ref()
                    .is_some_and(|url| !url.same_origin(&answer.url))
                {
                    return Err(fail(ErrorKind::Protocol(
                        "the list of tags goes on at another host",
                    )));
                }
                let body = answer.read_all(PAGE_LIMIT).map_err(fail)?;
                let page: TagPage = serde_json::from_slice(&body)
                    .map_err(|_| fail(ErrorKind::Protocol("the list of tags is not what it should be")))?;
                Ok((page, following))
            })?;
            tags.extend(page.tags);
            match following {
                Some(url) => next = Some(url),
                None => {
                    tags.sort();
                    tags.dedup();
                    return Ok(tags);
                }
            }
        }
        Err(fail(ErrorKind::Protocol("the list of tags has no end")))
    }
}

/// The target of `<...>; rel="next"` (RFC 8288).
fn next_link(value: &str) -> Option<&str> {
    let (target, params) = value.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = params
        .split([';', ','])
        .any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next"));
    is_next.then_some(target)
}

//! [`FoundImages`]: images that were looked for already.

use super::BaseImage;
use crate::error::Error;
use dockerfile_parser::Platform;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// Each image of one build or call, by its name as written and its platform.
#[derive(Default)]
pub(super) struct FoundImages(RefCell<HashMap<(String, String), Arc<BaseImage>>>);

impl FoundImages {
    /// The image, looked for with `find` the first time.
    ///
    /// # Errors
    /// Those of `find`; it is asked again then.
    pub(super) fn get_or_find(
        &self,
        name: &str,
        platform: &Platform,
        find: impl FnOnce() -> Result<Arc<BaseImage>, Error>,
    ) -> Result<Arc<BaseImage>, Error> {
        let key = (name.to_owned(), platform.to_string());
        if let Some(known) = self.0.borrow().get(&key) {
            return Ok(Arc::clone(known));
        }
        let image = find()?;
        self.0.borrow_mut().insert(key, Arc::clone(&image));
        Ok(image)
    }

    /// Puts an image in the place of what was known.
    pub(super) fn insert(&self, name: String, platform: &Platform, image: BaseImage) {
        let key = (name, platform.to_string());
        self.0.borrow_mut().insert(key, Arc::new(image));
    }
}

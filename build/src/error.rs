//! Why something failed, as data. What a user is told of it is the program's.

mod base;
mod cause;
mod context;
mod export;
mod host;
mod op;
mod program;
mod remote;
mod request;
mod shared_cache;
mod text;
mod transfer;

pub use base::BaseError;
pub use cause::{Error, one_line};
pub use context::ContextError;
pub use export::ExportError;
pub use host::{HostError, Obstacle};
pub use op::{OpError, exit_text};
pub use program::ProgramError;
pub use remote::RemoteError;
pub use request::RequestError;
pub use shared_cache::SharedCacheError;
pub use text::{MAX_SIZE, TextError};
pub use transfer::TransferError;

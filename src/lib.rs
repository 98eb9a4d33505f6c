//! The program `rbuild`: joins parser, solver, store, sandbox and registry.

pub mod report;
pub mod ui;

//! Prints the stages of the Dockerfile on standard input, and what each one takes from where.

use std::io::Read;
use std::process::ExitCode;

use dockerfile_parser::stage::StageIndex;
use dockerfile_parser::{parse, render::render_all};

fn main() -> std::io::Result<ExitCode> {
    let mut source = String::new();
    std::io::stdin().read_to_string(&mut source)?;
    let parsed = parse(&source);
    eprint!("{}", render_all("<stdin>", &source, &parsed.diagnostics));
    if parsed.has_errors() {
        return Ok(ExitCode::FAILURE);
    }
    let index = StageIndex::new(&parsed.dockerfile);
    for stage in &parsed.dockerfile.stages {
        println!(
            "{} {} FROM {}",
            stage.index,
            stage.name().unwrap_or("-"),
            stage.base().text
        );
        for (instruction, from) in stage.sources() {
            let what = match index.stage_for_copy(&from.text, stage.index) {
                Some(_) => "stage",
                None => "image or context",
            };
            println!(
                "    line {}: {} takes files from {what} {}",
                instruction.line.start_line,
                instruction.keyword(),
                from.text
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

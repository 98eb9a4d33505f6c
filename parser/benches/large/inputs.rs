//! Large Dockerfiles: ordinary ones of 10,000 lines, and hostile ones whose size is asked for. The bench times them,
//! the property test sees that each comes to an end.

/// How many lines the ordinary ones have.
const LINES: usize = 10_000;

/// What is in large files that people and generators write.
pub(crate) fn ordinary() -> Vec<(&'static str, String)> {
    let of = |line: &str| format!("FROM debian AS base\n{}", line.repeat(LINES));
    let mut mixed = String::from("FROM debian AS base\n");
    for n in (0..LINES).step_by(10) {
        mixed += &format!(
            "ARG V{n}=1\nENV A{n}=${{V{n}:-x}} B=\"$PATH:/b\"\nRUN apt-get install -y \\\n  # why\n  foo{n} \\\n  bar\n\
             COPY --chown=1:1 a{n} b/ /c/\nRUN --mount=type=cache,target=/c{n} make\nLABEL a={n} b=\"x y\"\n\
             RUN <<EOF\nEOF\n"
        );
    }
    vec![
        ("lines of RUN", of("RUN apt-get update && apt-get install -y x\n")),
        (
            "lines of RUN --mount",
            of("RUN --mount=type=cache,target=/var/cache/apt,sharing=locked apt-get install -y x\n"),
        ),
        ("lines of COPY", of("COPY --chown=1:1 --link src/ lib/ /app/\n")),
        ("lines of ENV", of("ENV NAME=\"${OTHER:-value}\" SECOND=$NAME\n")),
        ("lines of all kinds", mixed),
    ]
}

/// What an attacker, or a broken generator, may send: about `size` bytes each.
pub(crate) fn hostile(size: usize) -> Vec<(&'static str, String)> {
    let fill = |unit: &str| unit.repeat(size / unit.len());
    let after = |head: &str, unit: &str| format!("{head}{}", fill(unit));
    let numbered = |head: &str, line: &dyn Fn(usize) -> String| {
        let mut text = head.to_owned();
        for n in 0.. {
            if text.len() >= size {
                break;
            }
            text += &line(n);
        }
        text
    };
    vec![
        ("one word", fill("x")),
        ("empty lines", fill("\n")),
        ("null bytes", fill("\0")),
        ("continuations of nothing", fill("\\\n")),
        ("comments", fill("# comment\n")),
        (
            "comments that steer checks",
            format!("{}FROM a\nRUN x\n", fill("# check=skip=all\n")),
        ),
        (
            "findings of an instruction with many comments",
            format!(
                "FROM scratch\n{}ENV {}\n",
                "# check=skip=FromAsCasing\n".repeat(size / 52),
                "a=$b ".repeat(size / 10)
            ),
        ),
        (
            "steered instructions",
            after("FROM a\n", "# check=skip=UndefinedVar\nRUN x\n"),
        ),
        (
            "a long check directive",
            format!("# check=skip={}\nFROM a\n", fill("Undefinedvor,")),
        ),
        ("FROM", fill("FROM a\n")),
        ("unknown instructions", after("FROM a\n", "RNU x\n")),
        (
            "unknown instructions of much text",
            after("FROM a\n", "ENTRYPOONT aaaaaaaaaaaaaaaaa <<EOF\n"),
        ),
        ("unknown flags", after("FROM a\nRUN ", "--mountt=x ")),
        (
            "merge conflicts",
            after("FROM a\n", "<<<<<<< a\nx\n=======\n>>>>>>> b\n"),
        ),
        (
            "shell commands after a continuation",
            after("FROM a\nRUN a \\\n b\n", "  cd x\n"),
        ),
        ("no-break spaces", after("FROM a\n", "RUN\u{a0}x\n")),
        ("signs behind ports", after("FROM a\nEXPOSE 80", " #")),
        ("signs behind paths", after("FROM a\nCOPY a b", " # c")),
        ("dashes of another kind", after("FROM a\n", "COPY -from=x a b\n")),
        (
            "a typographic array",
            after("FROM a\nCMD [", "\u{201c}a\u{201d}, "),
        ),
        (
            "an open flag per line",
            after("FROM a\n", "RUN --mount=\"x <<E\n"),
        ),
        ("flags without end", after("FROM a\nRUN ", "--")),
        ("quoted flags", after("FROM a\nRUN ", "--'a b'=\"c\" ")),
        ("an open quoted flag", after("FROM a\nRUN --mount='", "x ")),
        ("continued words", after("FROM a\nRUN ", "a \\\n")),
        ("continued empty lines", after("FROM a\nRUN ", "a \\\n\n")),
        ("continued comments", after("FROM a\nRUN a \\\n", "# x\n")),
        ("heredocs without end", after("FROM a\n", "RUN <<EOF\n")),
        ("heredocs after an unknown word", after("FROM a\n", "RNU <<EOF\n")),
        ("markers of RUN", after("FROM a\nRUN ", "<<E ")),
        ("markers of COPY", after("FROM a\nCOPY ", "<<E ")),
        ("markers and ends of RUN", {
            let count = size / 6;
            format!("FROM a\nRUN {}\n{}", "<<E ".repeat(count), "E\n".repeat(count))
        }),
        ("markers and ends of COPY", {
            let count = size / 6;
            format!("FROM a\nCOPY {} /\n{}", "<<E ".repeat(count), "E\n".repeat(count))
        }),
        ("less-than signs", after("FROM a\nRUN ", "<")),
        ("open arithmetic", after("FROM a\nRUN <<E ", "$((")),
        ("open braces", after("FROM a\nENV a=", "${a:-")),
        ("nested braces", {
            let depth = size / 6;
            format!("FROM a\nENV a={}{}\n", "${a:-".repeat(depth), "}".repeat(depth))
        }),
        ("nested patterns", after("FROM a\nENV a=", "${a//")),
        ("unset variables", after("FROM scratch\nENV ", "a=$b ")),
        ("one word of variables", after("FROM scratch\nENV A=1 B=", "$A")),
        (
            "trimmed prefixes",
            format!(
                "FROM a\nENV A={}\nENV B=${{A##*{}b}}\n",
                fill("a"),
                "a*".repeat(100)
            ),
        ),
        ("backslashes", after("FROM a\nENV a=", "\\")),
        ("single quotes", after("FROM a\nENV a=", "'")),
        ("double quotes", after("FROM a\nENV a=", "\"")),
        ("an open quote per pair", after("FROM a\nENV ", "a=' ")),
        ("quotes in paths", after("FROM a\nCOPY ", "\" ")),
        ("quotes in a shell line", after("FROM a\nRUN <<E ", "'\"")),
        ("brackets", after("FROM a\nCMD ", "[")),
        ("an open array", after("FROM a\nCOPY [", "\"a\",")),
        ("an array", format!("FROM a\nCOPY [{}\"a\"]\n", fill("\"a\","))),
        (
            "escapes in an array",
            format!("FROM a\nCMD [\"{}\"]\n", fill("\\u00e4")),
        ),
        ("an array of numbers", format!("FROM a\nCMD [{}1]\n", fill("1,"))),
        ("sources", after("FROM a\nCOPY ", "a ")),
        ("ports", after("FROM a\nEXPOSE ", "1-65535 ")),
        ("wrong ports", after("FROM a\nEXPOSE ", "x ")),
        ("volumes", after("FROM a\nVOLUME ", "/a ")),
        ("labels", after("FROM a\nLABEL ", "a=b ")),
        ("words without =", after("FROM a\nLABEL a=b ", "a ")),
        ("mounts", after("FROM a\nRUN ", "--mount=type=cache,target=/a ")),
        (
            "mounts of a long command",
            format!(
                "FROM a\nRUN {}{}\n",
                "--mount=type=cache,target=/var/cache/apt ".repeat(size / 80),
                "rm -rf x ".repeat(size / 18)
            ),
        ),
        ("mount options", after("FROM a\nRUN --mount=", "ro,")),
        ("wrong mount options", after("FROM a\nRUN --mount=", "tarqet=/a,")),
        (
            "a quoted mount option",
            after("FROM a\nRUN --mount=type=bind,\"", "a\"\""),
        ),
        ("excludes", after("FROM a\nCOPY --link ", "--exclude=a ")),
        (
            "an open bracket in a pattern",
            format!("FROM a\nCOPY --exclude={} a b\n", fill("[a")),
        ),
        ("durations", after("FROM a\nHEALTHCHECK --interval=", "1s")),
        ("platforms", after("FROM --platform=", "a/")),
        ("signals", after("FROM a\nSTOPSIGNAL ", "9")),
        ("ONBUILD", after("FROM a\nONBUILD ", "ONBUILD ")),
        ("triggers", after("FROM a\n", "ONBUILD RUN x\n")),
        (
            "a stage in each line",
            numbered("FROM a AS s0\n", &|n| format!("FROM s{n} AS s{}\n", n + 1)),
        ),
        (
            "copies from the stage before",
            numbered("FROM a AS s0\n", &|n| {
                format!("FROM a AS s{}\nCOPY --from=s{n} b c\n", n + 1)
            }),
        ),
        (
            "stages of one name",
            after("", "FROM a AS b\nCOPY --from=b c d\n"),
        ),
        ("stages in a circle", {
            let count = size / 40;
            let mut text = String::new();
            for n in 0..count {
                text += &format!("FROM a AS s{n}\nCOPY --from=s{} a b\n", (n + 1) % count);
            }
            text
        }),
        (
            "stages that do not exist",
            after("FROM a\n", "COPY --from=9999 a b\n"),
        ),
        (
            "children and variables",
            numbered("FROM scratch AS s\n", &|n| {
                format!("FROM s AS t{n}\nENV v{n}=$w\n")
            }),
        ),
        (
            "ARG before FROM",
            numbered("", &|n| format!("ARG A{n}=$A{}\n", n.saturating_sub(1))),
        ),
        (
            "ARG in a stage",
            numbered("FROM scratch\n", &|n| {
                format!("ARG A{n}=$A{}\n", n.saturating_sub(1))
            }),
        ),
        (
            "ENV in a stage",
            numbered("FROM scratch\n", &|n| {
                format!("ENV A{n}=$A{}\n", n.saturating_sub(1))
            }),
        ),
        (
            "misspelt variables",
            numbered("FROM scratch\n", &|n| {
                format!("ARG VARIABLE{n}\nENV A=$VARIABEL{n}\n")
            }),
        ),
        ("commands that do not count", after("FROM a\n", "CMD a\n")),
        (
            "copies before an installation",
            after("FROM a\n", "COPY . .\nRUN npm ci\n"),
        ),
        ("keywords in both cases", after("FROM a\n", "RUN a\nrun a\n")),
        ("malformed arrays", after("FROM a\n", "CMD ['a']\n")),
        ("relative directories", after("FROM a\n", "WORKDIR a\n")),
        ("wide characters", after("FROM a\nRNU ", "\u{6f22}")),
        ("tabs", after("FROM a\nRNU", "\t")),
    ]
}

/// Ignore files of about `size` bytes; none excludes one of [`paths`].
pub(crate) fn ignore_files(size: usize) -> Vec<(&'static str, String)> {
    let of = |line: &dyn Fn(usize) -> String| {
        let count = size / line(100_000).len();
        (0..count).map(line).collect::<String>()
    };
    vec![
        ("ignored names", of(&|n| format!("dir/name{n}\n"))),
        ("ignored names anywhere", of(&|n| format!("**/name{n}\n"))),
        ("ignored beginnings anywhere", of(&|n| format!("**/name{n}*.o\n"))),
        ("ignored endings", of(&|n| format!("**/*.o{n}\n"))),
        ("ignored within names", of(&|n| format!("*me{n}x*\n"))),
        (
            "names taken back",
            of(&|n| format!("dir{n}/**\n!dir{n}/**/keep\n")),
        ),
    ]
}

/// The files of a middling project.
pub(crate) fn paths() -> impl Iterator<Item = String> {
    (0..2_000).map(|n| format!("packages/part{}/src/module{}/file{n}.ts", n % 7, n % 90))
}

use std::collections::BTreeSet;

use super::*;
use crate::{Diagnostic, IgnoreFile, Kind, Platform, Severity};

/// Checks a file with everything known, and all rules asked.
fn found(source: &str) -> Vec<Diagnostic> {
    let parsed = crate::parse(source);
    assert!(!parsed.has_errors(), "{source}: {:?}", parsed.diagnostics);
    let target = Platform::new("linux", "arm64", "");
    let ignore = IgnoreFile::parse("ignored.txt\n").unwrap();
    let stages = &parsed.dockerfile.stages;
    let base_platform = |stage: usize| {
        let amd64 = stages[stage].from.base.text.contains("amd64-only");
        Some(if amd64 {
            Platform::new("linux", "amd64", "")
        } else {
            target.clone()
        })
    };
    let base_env = |_: usize| Some(BTreeSet::from(["PATH".to_owned(), "FROM_BASE".to_owned()]));
    let options = CheckOptions {
        experimental_all: true,
        ..CheckOptions::default()
    };
    let input = LintInput {
        target_platform: Some(&target),
        ignore: Some(&ignore),
        base_platform: Some(&base_platform),
        base_env: Some(&base_env),
        base_shell: None,
        context_matches: Some(&|pattern, _| Some(pattern.contains("txt"))),
        context_text: None,
        base_owner: Some(&|_, owner| Some(owner == "root")),
        options: Some(&options),
    };
    check(&parsed.dockerfile, &input)
}

fn rules(source: &str) -> Vec<&'static str> {
    found(source).iter().map(Diagnostic::code).collect()
}

#[test]
fn every_rule_finds_its_bad_example_and_not_the_good_one() {
    for rule in Rule::ALL.iter().copied() {
        let Definition { bad, good, docs, .. } = rule.definition();
        assert!(docs.ends_with('.'), "{rule:?}");
        assert!(
            rules(bad).contains(&rule.name()),
            "{rule:?} finds nothing in {bad}"
        );
        assert!(
            !rules(good).contains(&rule.name()),
            "{rule:?} finds something in {good}"
        );
    }
}

#[test]
fn names_and_pages() {
    let mut names: Vec<String> = Rule::ALL.iter().map(|rule| rule.name().to_lowercase()).collect();
    names.sort();
    let unsorted: Vec<String> = Rule::ALL.iter().map(|rule| rule.name().to_lowercase()).collect();
    assert_eq!(unsorted, names);
    assert_eq!(Rule::from_name("undefinedvar"), Some(Rule::UndefinedVar));
    let page = |rule: Rule| rule.url().rsplit_once("rule/").unwrap_or_default().1.to_owned();
    assert_eq!(page(Rule::JSONArgsRecommended), "json-args-recommended/");
    assert_eq!(page(Rule::StageNameCasing), "stage-name-casing/");
    assert_eq!(Rule::SecretInLayer.url(), "docs/rules.md#secretinlayer");
}

#[test]
fn the_file_can_skip_rules_and_make_them_errors() {
    let body = "FROM scratch AS Base\nMAINTAINER me\n";
    assert_eq!(rules(body), ["StageNameCasing", "MaintainerDeprecated"]);
    assert_eq!(
        rules(&format!("# check=skip=StageNameCasing\n{body}")),
        ["MaintainerDeprecated"]
    );
    assert_eq!(rules(&format!("# check=skip=all\n{body}")), Vec::<&str>::new());
    let errors = found(&format!("# check=error=true\n{body}"));
    assert!(errors.iter().all(|d| d.severity == Severity::Error) && errors.len() == 2);
}

#[test]
fn a_comment_skips_rules_for_its_instruction_only() {
    let source = "FROM scratch\n# check=skip=JSONArgsRecommended\nCMD a\nFROM scratch\nCMD b\n";
    assert_eq!(rules(source), ["JSONArgsRecommended"]);
    assert_eq!(found(source)[0].span.text(source), "CMD");
    assert!(found(source)[0].span.start > source.find("CMD b").unwrap() - 1);
}

#[test]
fn a_comment_makes_errors_of_its_instruction_only() {
    let source = "FROM scratch\n# check=error=true\n# why it matters\nCMD a\nFROM scratch\nCMD b\n";
    let severities: Vec<Severity> = found(source).iter().map(|d| d.severity).collect();
    assert_eq!(severities, [Severity::Error, Severity::Warning]);
    // A comment that does not stand directly above is for nobody.
    let apart = "FROM scratch\n# check=skip=JSONArgsRecommended\n\nCMD a\n";
    assert_eq!(rules(apart), ["JSONArgsRecommended"]);
}

#[test]
fn users_are_told_where_no_step_may_have_made_them() {
    let unknown = |source: &str| rules(source).contains(&"ChownUnknownName");
    assert!(unknown("FROM scratch\nCOPY a /b/\nCOPY --chown=app:app c /d/\n"));
    assert!(unknown("FROM a\nCOPY --chown=app c /d/\n"));
    assert!(unknown("FROM a AS b\nFROM b\nADD --chown=\"app\" c /d/\n"));
    for fine in [
        "FROM a\nCOPY --chown=root c /d/\n",
        "FROM a\nRUN adduser app\nCOPY --chown=app c /d/\n",
        "FROM a AS b\nRUN adduser app\nFROM b\nCOPY --chown=app c /d/\n",
        "FROM scratch\nCOPY --from=x /etc/passwd /etc/\nCOPY --chown=app c /d/\n",
        "FROM scratch\nADD root.tar /\nCOPY --chown=app c /d/\n",
        "FROM scratch\nCOPY a .\nCOPY --chown=app c /d/\n",
        "FROM scratch\nARG A=1\nCOPY --chown=$A c /d/\n",
        "FROM scratch\nCOPY --chown=1:2 c /d/\n",
    ] {
        assert!(!unknown(fine), "{fine}");
    }
}

#[test]
fn wildcards_are_asked_of_the_context_alone() {
    let nothing = |source: &str| rules(source).contains(&"WildcardMatchedNothing");
    assert!(nothing("FROM scratch\nCOPY a.txt b.[ch] /\n"));
    assert!(nothing("FROM scratch\nADD [\"*.o\", \"/\"]\n"));
    assert!(nothing("FROM scratch\nCOPY go.sum* /\n"));
    for fine in [
        "FROM scratch AS a\nFROM scratch\nCOPY --from=a *.o /\n",
        "FROM scratch\nADD https://example.org/a?b=* /\n",
        "FROM scratch\nARG A=1\nCOPY $A*.o /\n",
        "FROM scratch\nCOPY \\\\*.o /\n",
        "FROM scratch\nCOPY go.mod go.sum* ./\n",
    ] {
        assert!(!nothing(fine), "{fine}");
    }
}

#[test]
fn undefined_variables() {
    let undefined = |source: &str| -> Vec<(String, Option<String>)> {
        found(source)
            .into_iter()
            .filter(|d| {
                matches!(
                    &d.kind,
                    Kind::Check {
                        rule: Rule::UndefinedVar,
                        ..
                    }
                )
            })
            .map(|d| (d.message(), d.help))
            .collect()
    };
    let one = |name: &str, help: Option<&str>| {
        vec![(format!("the variable `{name}` is not set"), help.map(Into::into))]
    };
    assert_eq!(
        undefined("ARG V=1\nFROM a\nCOPY x $V\n"),
        one("V", Some("declare it in this stage: `ARG V`"))
    );
    assert_eq!(
        undefined("FROM a\nENV DIRECTORY=/ X=$DIRECTRY\n"),
        one("DIRECTRY", None)
    );
    assert_eq!(
        undefined("FROM a\nENV DIRECTORY=/\nENV X=$DIRECTRY\n"),
        one("DIRECTRY", Some("did you mean `DIRECTORY`?"))
    );
    for fine in [
        "FROM a\nENV X=$PATH:$FROM_BASE:$http_proxy\n",
        "FROM a\nENV X=${NOPE:-d} Y=${NOPE+x}\n",
        "FROM a AS b\nARG X\nFROM b\nCOPY x $X\n",
        "FROM scratch AS b\nONBUILD ENV X=1\nFROM b\nONBUILD RUN x\nCOPY x $X\n",
        "FROM a\nRUN echo $NOPE\n",
        "FROM a\nCOPY <<\"E\" /x\n$NOPE\nE\n",
        "FROM a\nLABEL x='$NOPE' y=\\$NOPE z=$1\n",
    ] {
        assert_eq!(undefined(fine), vec![], "{fine}");
    }
    let unknown_base = crate::parse("FROM a\nENV X=$NOPE\n").dockerfile;
    assert_eq!(check(&unknown_base, &LintInput::default()), vec![]);
    let scratch = crate::parse("FROM scratch\nENV X=$NOPE\n").dockerfile;
    assert_eq!(check(&scratch, &LintInput::default()).len(), 1);
}

#[test]
fn secrets_are_named_but_never_shown() {
    let drawn = found("FROM scratch\nENV API_TOKEN=hunter2\n");
    assert_eq!(drawn[0].message(), "`ENV API_TOKEN` puts a secret into the image");
    assert!(
        drawn
            .iter()
            .all(|d| !format!("{} {:?} {:?}", d.message(), d.help, d.label).contains("hunter2"))
    );
}

#[test]
fn lists_that_are_no_json() {
    let found = |line: &str| rules(&format!("FROM scratch\n{line}\n")) == ["ExecFormMalformed"];
    for torn in [
        "CMD [\"a\"",
        "RUN [\"a\"] && [\"b\"]",
        "HEALTHCHECK CMD [\"a\",]",
        "VOLUME [\"/a\"",
        "VOLUME [\"/a\"] # data",
        "COPY [\"a.txt\", \"/b\"",
        "CMD ['a', 'b']",
        "ENTRYPOINT [\"a\" \"b\"]",
        "VOLUME ['/a', '/b']",
        "VOLUME [/a]",
        "COPY [\"a.txt\" \"/b\"]",
        "ADD ['a.txt', '/']",
    ] {
        assert!(
            found(torn),
            "{torn}: {:?}",
            rules(&format!("FROM scratch\n{torn}\n"))
        );
    }
    for fine in [
        "VOLUME [\"/a\"]",
        "COPY [a]*.txt /",
        "CMD []",
        "RUN [\"$a\" = b ]",
        "VOLUME /a",
    ] {
        assert!(!found(fine), "{fine}");
    }
}

#[test]
fn shell_tests_are_no_malformed_json() {
    for fine in [
        "RUN [ \"$a\" = b ] && c",
        "RUN [ -f x ]",
        "RUN [[ $a ]]",
        "RUN [ \"$x\" ] || true",
        "RUN [ \"$(id -u)\" == \"0\" ]",
        "HEALTHCHECK CMD [ \"$(cat f)\" != \"x\" ]",
    ] {
        assert!(
            !rules(&format!("FROM scratch\n{fine}\n")).contains(&"ExecFormMalformed"),
            "{fine}"
        );
    }
}

#[test]
fn a_word_in_no_case_is_one_finding_not_two() {
    assert_eq!(
        rules("From scratch as a\nFROM scratch AS b\n"),
        ["ConsistentInstructionCasing"]
    );
    assert_eq!(
        rules("fROM scratch AS a\nfrom scratch as b\n"),
        ["ConsistentInstructionCasing"]
    );
    assert_eq!(rules("from scratch AS a\nfrom scratch as b\n"), ["FromAsCasing"]);
}

#[test]
fn descriptions_name_what_they_stand_above() {
    let any_of_several = "# two is the second\nARG one=1 two=2\nFROM scratch\n";
    assert_eq!(rules(any_of_several), Vec::<&str>::new());
    let set_apart = "# about something else\n#\nARG one=1\nFROM scratch\n";
    assert_eq!(rules(set_apart), Vec::<&str>::new());
    for other in [
        "# One is the first\nARG one=1\nFROM scratch\n",
        "# none of them\nARG one=1 two=2\nFROM scratch\n",
    ] {
        assert_eq!(rules(other), ["InvalidDefinitionDescription"], "{other}");
    }
}

#[test]
fn a_relative_directory_is_one_upon_scratch_too() {
    assert_eq!(rules("FROM scratch\nWORKDIR app/\n"), ["WorkdirRelativePath"]);
    assert_eq!(
        rules("FROM scratch AS a\nWORKDIR /app\nFROM a\nWORKDIR sub/\n"),
        Vec::<&str>::new()
    );
}

#[test]
fn a_copy_of_a_context_that_is_all_excluded() {
    let found = |ignore: &str| {
        let parsed = crate::parse("FROM scratch\nCOPY . /\n");
        let ignore = IgnoreFile::parse(ignore).unwrap();
        let input = LintInput {
            ignore: Some(&ignore),
            ..LintInput::default()
        };
        check(&parsed.dockerfile, &input).len()
    };
    assert_eq!(found("*\n"), 1);
    assert_eq!(found("**\n"), 1);
    for some_are_left in [".*\n", "a*\n", "*\n!kept\n", "**\n!kept/file\n", "*/*\n"] {
        assert_eq!(found(some_are_left), 0, "{some_are_left}");
    }
}

#[test]
fn a_name_made_of_a_variable_may_be_any() {
    assert_eq!(
        rules("FROM scratch\nARG src=f\nARG ${src}=x\nCOPY $f /\n"),
        Vec::<&str>::new()
    );
    assert_eq!(
        rules("FROM scratch\nARG src=f\nENV ${src}=x\nCOPY $f /\n"),
        Vec::<&str>::new()
    );
    // Not above it, and not in a stage beside.
    let beside = "FROM scratch AS a\nARG src=f\nCOPY $g /\nARG ${src}=x\nFROM scratch\nCOPY --from=a $f /\n";
    assert_eq!(rules(beside), ["UndefinedVar", "UndefinedVar"]);
}

#[test]
fn what_was_installed_before_the_context_came_is_not_installed_again() {
    let uv = "FROM scratch\nRUN --mount=type=bind,source=uv.lock,target=uv.lock uv sync --no-install-project\n\
              COPY . .\nRUN uv sync\n";
    assert_eq!(rules(uv), Vec::<&str>::new());
    let other = "FROM scratch\nRUN npm ci\nCOPY . .\nRUN uv sync\n";
    assert_eq!(rules(other), ["CopyDotBeforeInstall"]);
}

#[test]
fn a_file_of_settings_is_looked_into() {
    let found = |source: &str, text: Option<&str>| {
        let parsed = crate::parse(&format!("FROM scratch AS a\nFROM scratch\n{source}\n"));
        let input = LintInput {
            context_text: Some(&|_| text.map(str::to_owned)),
            ..LintInput::default()
        };
        check(&parsed.dockerfile, &input).len()
    };
    assert_eq!(found("COPY .npmrc /", Some("registry=https://h/")), 0);
    assert_eq!(found("COPY .npmrc /", Some("//h/:_authToken=a")), 1);
    assert_eq!(found("COPY .npmrc /", None), 1, "nothing is known");
    assert_eq!(
        found("ADD conf/pip.conf /etc/", Some("index-url=https://a:b@h/")),
        1
    );
    assert_eq!(found("ADD conf/pip.conf /etc/", None), 0, "it mostly holds none");
    assert_eq!(found("COPY --from=a .npmrc /", Some("registry=https://h/")), 1);
    assert_eq!(found("COPY id_rsa /", Some("")), 1);
}

#[test]
fn commands_that_install_are_whole_words() {
    for command in [
        "pnpm install",
        "npm ci",
        "/usr/bin/npm install",
        "cd web && npm install --production",
        "npm install; true",
        "python3 -m pip install -r requirements.txt",
        "pip install -rrequirements.txt",
        "mvn dependency:go-offline",
    ] {
        let found = found(&format!("FROM scratch\nCOPY . .\nRUN {command}\n"));
        let found: Vec<String> = found.iter().map(Diagnostic::message).collect();
        let [message] = found.as_slice() else {
            panic!("{command}: {found:?}")
        };
        assert_eq!(message.contains("pnpm"), command.contains("pnpm"), "{message}");
    }
    for other in [
        "npm install -g serve",
        "npm install --global serve",
        "npm install serve",
        "my-npm ci",
        "npm cite",
        "pip install requests",
        "pipx install poetry",
        "echo uv syncs",
    ] {
        assert_eq!(
            rules(&format!("FROM scratch\nCOPY . .\nRUN {other}\n")),
            Vec::<&str>::new(),
            "{other}"
        );
    }
}

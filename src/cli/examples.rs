//! The examples of each verb: they stand above its flags in the help, and in the manual page.

/// Clap's own order with the examples moved up, so that the first screen teaches.
pub const TEMPLATE: &str =
    "{before-help}{about-with-newline}\n{usage-heading} {usage}{after-help}\n\n{all-args}";

/// Of the program, with what else a newcomer needs.
pub const PROGRAM: &str = "\
Examples:
  rbuild -t app .                       build the Dockerfile of this directory, keep it as `app`
  rbuild run --rm app                   run it
  rbuild -o type=oci,dest=app.tar .     write an OCI archive
  rbuild why                            say why the last build did not use the cache
  rbuild doctor                         say what this host allows
  rbuild build --help                   more of them

Files:
  Everything is kept in one directory (RBUILD_ROOT) that many rbuild processes may share.

Exit codes:
  0 success, 1 the build failed, 125 wrong usage or a failure of rbuild itself, 130/143
  interrupted; `rbuild run` returns the command's own code (126, 127 as in a shell).";

/// Of `rbuild build`.
pub const BUILD: &str = "\
Examples:
  rbuild build -t app .                            the Dockerfile of this directory
  rbuild build -f deploy/Dockerfile --target test --build-arg VERSION=2 .
  rbuild build --secret id=npmrc,src=.npmrc .      for RUN --mount=type=secret,id=npmrc
  rbuild build -t registry.example/app:1 --push .  build and send
  rbuild build -o out .                            the files of the result, into out/
  rbuild build https://example.org/app.git#main    a git repository
  rbuild build --check .                           what is probably not meant; builds nothing";

/// Of `rbuild run`.
pub const RUN: &str = "\
Examples:
  rbuild run --rm app                     the image's own command
  rbuild run --rm -it app sh              a shell in it
  rbuild run -d --name web app            leave it running; `rbuild logs -f web`, `rbuild stop web`
  rbuild run -e KEY=value -v \"$PWD/data:/data:ro\" --network none app ./tool --flag";

/// Of `rbuild create`.
pub const CREATE: &str = "\
Examples:
  rbuild create --name web app
  rbuild start web";

/// Of `rbuild start`.
pub const START: &str = "\
Examples:
  rbuild start web db
  rbuild start -ai shell                  with our terminal, as it was made with -it";

/// Of `rbuild stop`.
pub const STOP: &str = "\
Examples:
  rbuild stop web
  rbuild stop -t 60 db                    a minute to end in order";

/// Of `rbuild exec`.
pub const EXEC: &str = "\
Examples:
  rbuild exec web cat /etc/os-release
  rbuild exec -it -u root web sh";

/// Of `rbuild ps`.
pub const PS: &str = "\
Examples:
  rbuild ps                               those that run
  rbuild ps -aq -f status=exited          the ids of those that have ended
  rbuild ps -f label=app=shop --format json";

/// Of `rbuild logs`.
pub const LOGS: &str = "\
Examples:
  rbuild logs -f web                      and what it still prints
  rbuild logs --tail 20 -t web
  rbuild logs --since 10m web";

/// Of `rbuild rm`.
pub const RM: &str = "\
Examples:
  rbuild rm web
  rbuild rm -f web db                     also those that run";

/// Of `rbuild save`.
pub const SAVE: &str = "\
Examples:
  rbuild save -o app.tar app
  rbuild save app | docker load";

/// Of `rbuild load`.
pub const LOAD: &str = "\
Examples:
  rbuild load -i app.tar
  docker save app | rbuild load
  rbuild load -i layout/ -t app:1";

/// Of `rbuild manifest`.
pub const MANIFEST: &str = "\
Examples:
  rbuild manifest create app:1 app:amd64 app:arm64
  rbuild manifest annotate --variant v7 app:1 app:arm
  rbuild manifest push app:1 registry.example/app:1";

/// Of `rbuild push`.
pub const PUSH: &str = "\
Examples:
  rbuild push registry.example/app:1
  rbuild push app registry.example/app:1";

/// Of `rbuild login`.
pub const LOGIN: &str = "\
Examples:
  rbuild login -u me registry.example
  echo \"$TOKEN\" | rbuild login -u ci --password-stdin registry.example";

/// Of `rbuild prune`.
pub const PRUNE: &str = "\
Examples:
  rbuild prune                            images without a name, and what nothing leads to
  rbuild prune -f --keep-storage 20g      what a CI job runs at its end
  rbuild prune -a --dry-run               what would go with the whole build cache";

/// Of `rbuild why`.
pub const WHY: &str = "\
Examples:
  rbuild why                  the last build
  rbuild why app              the last one of the context app/
  rbuild why :3               the step of line 3; 2/5 or a part of its title will do too
  rbuild why --all --json";

/// Of `rbuild completions`.
pub const COMPLETIONS: &str = "\
Examples:
  rbuild completions bash > ~/.local/share/bash-completion/completions/rbuild
  rbuild completions zsh > ~/.zfunc/_rbuild       ~/.zfunc is in fpath
  rbuild completions fish > ~/.config/fish/completions/rbuild.fish";

/// Of `rbuild man`.
pub const MAN: &str = "\
Examples:
  rbuild man | man -l -
  rbuild man build | man -l -";

#[cfg(test)]
mod tests;

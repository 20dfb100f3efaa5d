// For a program that is a server and nothing else.
#pragma once

#include "http/command_line.hpp"
#include "http/options.hpp"
#include "http/router.hpp"

namespace enduring::http {

/// Makes and starts a server, prints what it decided and where it listens to standard output,
/// drains at SIGTERM or SIGINT (at once when told again), and gives the exit status: 0; 1 if it
/// could not start, said on standard error, or had to cut connections at the end of the drain. To
/// be called before the program has other threads, since it blocks these signals for all.
int serve(const Options& options, Router router);

/// Makes the server as serve() would, prints what it decided, and ends: 0 or 1.
int check(const Options& options, Router router);

/// What the command line asks for: check() with --check, else serve().
int run(const CommandLine& command_line, Router router);

}  // namespace enduring::http

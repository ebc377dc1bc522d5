#!/usr/bin/env node
// Asks one thing before anything else is loaded: is this Node new enough? No import statement stands here, and no
// syntax that an old Node could stumble over, so that even Node 10 gets as far as the message. In the published
// package this file imports the built command instead of the source.
(function () {
  var version = process.versions.node.split(".").map(Number);
  if (version[0] < 24 || (version[0] === 24 && version[1] < 12)) {
    console.error(
      "cairn needs Node 24.12 or later, and this is Node " +
        process.versions.node +
        ".\nInstall the current release from https://nodejs.org, or run it with the right one at once:\n" +
        "  npx --package=node@24 --package=cairnlog cairn",
    );
    process.exit(3);
  }
  // What a server allocates dies young, and Node lets its nursery grow to 128 MiB before it looks: a small one keeps
  // the process small. So does looking at it when many buffers have died (store/buffer-garbage.ts), and so does an
  // allocator that gives back to the system what is free: glibc keeps an arena for each thread, and lets them grow.
  // All this can only be said at the start, so this process starts anew, under the same pid.
  var nursery = "--max-semi-space-size";
  var options = process.execArgv.join(" ") + " " + (process.env.NODE_OPTIONS || "");
  var isServer = /^(?:serve|witness|mirror)$/.test(process.argv[2]);
  if (isServer && process.execve && process.platform !== "win32") {
    if (options.indexOf(nursery) < 0) {
      var flags = [nursery + "=8", "--expose-gc"];
      var args = process.execArgv.concat(flags, process.argv.slice(1));
      var allocator = {
        MALLOC_ARENA_MAX: "2",
        MALLOC_MMAP_THRESHOLD_: "131072",
        MALLOC_TRIM_THRESHOLD_: "131072",
      };
      var env = Object.assign(allocator, process.env);
      process.execve(process.execPath, [process.execPath].concat(args), env);
    }
  }
  // It was for this thread: others are given limits of their own, which the flag would override.
  if (isServer) process.getBuiltinModule("node:v8").setFlagsFromString(nursery + "=0");
  import("../src/bin.ts").catch(function (error) {
    // Not Node's own exit status for this: 1 would say "not proven".
    console.error(error);
    process.exit(3);
  });
})();

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
  import("../src/bin.ts").catch(function (error) {
    // Not Node's own exit status for this: 1 would say "not proven".
    console.error(error);
    process.exit(3);
  });
})();

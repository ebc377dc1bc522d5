/**
 * A Linux machine for tests, made of this one: sshd, sudo and su with accounts, keys and /dev/log of their own, in a
 * mount namespace. Nothing outside is changed, and all of it is gone when it ends. Needs root and util-linux's unshare.
 *
 * Debian: openssh-server, openssh-client, sudo, rsyslog, rsyslog-relp.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { missingProgram } from "@cairnlog/testing";
import type { Senders } from "./syslog-senders.testing.ts";

const programs = ["/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/sudo", "/usr/sbin/rsyslogd"];

export function missingLinux(): string | false {
  const missing = programs.find((path) => !existsSync(path));
  const what =
    missing === undefined
      ? "mount namespaces cannot be made here (root is needed, and unshare of util-linux)"
      : `${missing} is not there (Debian: openssh-server openssh-client sudo rsyslog rsyslog-relp)`;
  const works = missing === undefined && spawnSync("unshare", ["--mount", "true"]).status === 0;
  return missingProgram(works ? "unshare" : undefined, what, "tests against a real sshd and sudo");
}

/** Runs the machine: people sign in and are refused, call sudo and su. All is sent to a port of RELP. */
export function runMachine(senders: Senders, relpPort: number, sshPort: number): string {
  senders.write("passwd.more", "alice:x:4711:4711::/tmp:/bin/sh\nbob:x:4712:4712::/tmp:/bin/sh\n");
  senders.write("shadow.more", "alice:*:20000:0:99999:7:::\nbob:*:20000:0:99999:7:::\n");
  senders.write("group.more", "alice:x:4711:\nbob:x:4712:\n");
  senders.write(
    "sudoers",
    "Defaults !authenticate\nroot ALL=(ALL) ALL\nalice ALL=(root) /usr/bin/id\n",
  );
  senders.write(
    "machine.conf",
    `global(workDirectory="${senders.folder}")
     module(load="imuxsock" SysSock.Name="/dev/log" SysSock.UsePIDFromSystem="on")
     module(load="omrelp")
     action(type="omrelp" target="127.0.0.1" port="${relpPort}" template="RSYSLOG_SyslogProtocol23Format")\n`,
  );
  senders.write(
    "sshd_config",
    `Port ${sshPort}
ListenAddress 127.0.0.1
HostKey ${senders.path("host")}
AuthorizedKeysFile ${senders.path("user.pub")}
StrictModes no
UsePAM yes
PasswordAuthentication no
LogLevel VERBOSE
PidFile none
DenyUsers bob
PermitRootLogin no
`,
  );
  const script = senders.write("machine.sh", machine);
  const ran = spawnSync("unshare", ["--mount", "sh", "-eu", script, String(sshPort)], {
    cwd: senders.folder,
    encoding: "utf8",
    timeout: 40_000,
  });
  return `exit ${ran.status}\n${ran.stdout}${ran.stderr}`;
}

const machine = `
mount --make-rprivate /
mkdir dev run
mount -t tmpfs none dev
for node in null zero full random urandom tty; do touch dev/$node; mount --bind /dev/$node dev/$node; done
mkdir dev/pts
mount --bind /dev/pts dev/pts
ln -s pts/ptmx dev/ptmx
mount --bind dev /dev
mount -t tmpfs none /run
mkdir -p /run/sshd
for file in passwd shadow group; do
  cat /etc/$file $file.more > $file
  chmod --reference /etc/$file $file
  chown --reference /etc/$file $file
  mount --bind $file /etc/$file
done
chown root:root sudoers
chmod 440 sudoers
mount --bind sudoers /etc/sudoers
for name in host user other; do ssh-keygen -q -t ed25519 -N "" -f $name; done
# What is not root's must be able to reach its key.
chmod 755 .
rsyslogd -n -f machine.conf -i machine.pid & syslog=$!
for _ in $(seq 50); do [ -S /dev/log ] && break; sleep 0.1; done
/usr/sbin/sshd -D -f sshd_config & sshd=$!
for _ in $(seq 50); do ssh-keyscan -p $1 127.0.0.1 > known 2>/dev/null && [ -s known ] && break; sleep 0.1; done
options="-F none -p $1 -o BatchMode=yes -o IdentitiesOnly=yes -o UserKnownHostsFile=known -o LogLevel=ERROR"
ssh $options -i user alice@127.0.0.1 true
ssh $options -i other alice@127.0.0.1 true || echo refused key
ssh $options -i user mallory@127.0.0.1 true || echo refused mallory
ssh $options -i user bob@127.0.0.1 true || echo refused bob
ssh $options -i user root@127.0.0.1 true || echo refused root
as() { setpriv --reuid $1 --regid $1 --clear-groups env -C / "$2" "$3" "$4" "$5"; }
as alice sudo -n id -u
as alice sudo -n cat /etc/shadow || echo refused alice
as bob sudo -n id -u || echo refused bob
su alice -c true
kill $sshd
wait $sshd || true
# rsyslog sends what it has before it ends.
sleep 0.3
kill $syslog
wait $syslog || true
`;

/** Sockets of syslog and RELP. */
export const name = "syslog";

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -chroot and -runas. See depriv.h.
 */
#include "depriv.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "config.h"

struct who {
    uid_t uid;
    gid_t gid;
    const char *name; /* for its supplementary groups, or NULL */
};

/* "user" or "uid:gid", as libxl writes it. */
static bool parse_who(const char *text, struct who *who, char *why, size_t why_len) {
    char *end;
    errno = 0;
    unsigned long uid = strtoul(text, &end, 10);
    if (end != text && *end == ':' && end[1]) {
        char *end2;
        unsigned long gid = strtoul(end + 1, &end2, 10);
        if (!*end2 && !errno && uid < UINT32_MAX && gid < UINT32_MAX) {
            *who = (struct who){(uid_t)uid, (gid_t)gid, NULL};
            return true;
        }
    }
    const struct passwd *pw = getpwnam(text);
    if (!pw) {
        snprintf(why, why_len, "-runas %s: neither a user nor uid:gid in numbers", text);
        return false;
    }
    *who = (struct who){pw->pw_uid, pw->pw_gid, pw->pw_name};
    return true;
}

static bool become(const struct who *who, char *why, size_t why_len) {
    int rc = who->name ? initgroups(who->name, who->gid) : setgroups(1, &who->gid);
    if (rc || setgid(who->gid) || setuid(who->uid)) {
        snprintf(why, why_len, "-runas: can't become %u:%u: %s", who->uid, who->gid,
                 strerror(errno));
        return false;
    }
    if (who->uid && !setuid(0)) {
        snprintf(why, why_len, "-runas: user 0 could be had back after becoming %u", who->uid);
        return false;
    }
    return true;
}

bool depriv(const struct config *config, char *why, size_t why_len) {
    struct who who;
    /* names are looked up while /etc is still to be seen */
    if (config->runas && !parse_who(config->runas, &who, why, why_len))
        return false;
    if (config->chroot && (chroot(config->chroot) || chdir("/"))) {
        snprintf(why, why_len, "-chroot %s: %s", config->chroot, strerror(errno));
        return false;
    }
    if (config->runas && !become(&who, why, why_len))
        return false;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return true;
}

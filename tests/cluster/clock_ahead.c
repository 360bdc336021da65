// SPDX-License-Identifier: Apache-2.0

// The wall clock of a process, CLOCK_AHEAD seconds ahead of the host's: for
// LD_PRELOAD. Clocks that only count time, and times of files, are the host's.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static time_t ahead(void)
{
    const char *text = getenv("CLOCK_AHEAD");

    return text ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *found)
{
    static int (*host)(clockid_t, struct timespec *);
    int code;

    if (!host)
        host = (int (*)(clockid_t, struct timespec *))dlsym(
            RTLD_NEXT, "clock_gettime");
    code = host(clock, found);
    if (!code && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        found->tv_sec += ahead();
    return code;
}

time_t time(time_t *found)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (found)
        *found = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *found, void *zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    found->tv_sec = now.tv_sec;
    found->tv_usec = now.tv_nsec / 1000;
    return 0;
}

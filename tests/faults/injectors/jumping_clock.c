/* The clock of the day, moved by the seconds in $JUMPING_CLOCK_FILE, which is read again each tenth
 * of a second. Monotonic clocks, and whatever waits by them, are left alone. No header is needed,
 * only a compiler. */

extern char *getenv(const char *);
extern int open(const char *, int, ...);
extern long read(int, void *, unsigned long);
extern int close(int);
extern long atol(const char *);
extern void *dlsym(void *, const char *);

#define REALTIME 0
#define MONOTONIC 1
#define REALTIME_COARSE 5
#define NEXT ((void *) -1L)

struct timespec { long seconds, nanoseconds; };
struct timeval { long seconds, microseconds; };

static int right_time(int clock, struct timespec *at)
{
    static int (*real)(int, struct timespec *);

    if (!real)
        real = (int (*)(int, struct timespec *)) dlsym(NEXT, "clock_gettime");
    return real(clock, at);
}

static long offset(void)
{
    static volatile long known, read_at = -1;
    struct timespec now;
    char text[32] = {0};
    const char *path;
    int file;

    right_time(MONOTONIC, &now);
    now.seconds = now.seconds * 10 + now.nanoseconds / 100000000;
    if (now.seconds == read_at)
        return known;
    read_at = now.seconds;
    path = getenv("JUMPING_CLOCK_FILE");
    file = path ? open(path, 0) : -1;
    if (file < 0)
        return known;
    if (read(file, text, sizeof(text) - 1) > 0)
        known = atol(text);
    close(file);
    return known;
}

int clock_gettime(int clock, struct timespec *at)
{
    int result = right_time(clock, at);

    if (result == 0 && (clock == REALTIME || clock == REALTIME_COARSE))
        at->seconds += offset();
    return result;
}

int gettimeofday(struct timeval *at, void *zone)
{
    struct timespec now;

    (void) zone;
    if (right_time(REALTIME, &now))
        return -1;
    at->seconds = now.seconds + offset();
    at->microseconds = now.nanoseconds / 1000;
    return 0;
}

long time(long *where)
{
    struct timespec now;

    if (right_time(REALTIME, &now))
        return -1;
    now.seconds += offset();
    if (where)
        *where = now.seconds;
    return now.seconds;
}

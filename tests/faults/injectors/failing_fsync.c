/* fsync and fdatasync that fail: each call with a number N in $FAILING_FSYNC_FILE is the N-th of its
 * process, or passes. Without a number none fails. No header is needed, only a compiler. */

extern char *getenv(const char *);
extern int open(const char *, int, ...);
extern long read(int, void *, unsigned long);
extern int close(int);
extern int atoi(const char *);
extern int *__errno_location(void);
extern void *dlsym(void *, const char *);

#define EIO 5
#define NEXT ((void *) -1L)

static int calls;

static int fails(void)
{
    char text[16] = {0};
    const char *path = getenv("FAILING_FSYNC_FILE");
    int file = path ? open(path, 0) : -1;
    int every;

    if (file < 0)
        return 0;
    if (read(file, text, sizeof(text) - 1) < 0)
        text[0] = 0;
    close(file);
    every = atoi(text);
    if (every <= 0 || ++calls % every)
        return 0;
    *__errno_location() = EIO;
    return 1;
}

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int)) dlsym(NEXT, "fsync");
    return fails() ? -1 : real(fd);
}

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int)) dlsym(NEXT, "fdatasync");
    return fails() ? -1 : real(fd);
}

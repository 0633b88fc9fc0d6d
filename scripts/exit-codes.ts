// How a process of ours says to its launcher (ours, PM2, systemd) why it ended. The numbers are those of sysexits.h.

/** Start me again a little later: somebody whom I need was not there. */
export const EXIT_LATER = 1;
/** Another process owns the site: started again, this one stands by. */
export const EXIT_FENCED = 70;
/** Start me again at once: the site has joined and has a new identity. */
export const EXIT_RESTART = 75;
/** Starting again is of no use before somebody has changed the configuration. */
export const EXIT_CONFIGURATION = 78;

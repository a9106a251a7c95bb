// What is wrong with a camera's picture, and why a zone counts nothing, in a few words.

/** Two or three words each, for a mark. @type {Record<string, string>} */
const SHORT = {
  covered: "covered or dark", out_of_focus: "out of focus", moved: "moved", frozen: "frozen picture", washed_out: "washed out",
  wrong_colours: "wrong colours", low_rate: "too few pictures", schedule: "off schedule",
};

/**
 * A problem, or another reason for a pause, in a few words. What only newer nodes know is shown by its name.
 * @param {string} reason
 */
export const short = (reason) => SHORT[reason] ?? reason.replaceAll("_", " ");

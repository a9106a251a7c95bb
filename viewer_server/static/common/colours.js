// The colours of tracks: Okabe and Ito's palette, which any colour vision can tell apart. Black is left out.

const PALETTE = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];
const DARK = new Set(["#0072b2"]);

/** @param {number} trackId */
export const colourOf = (trackId) => PALETTE[trackId % PALETTE.length];

/**
 * The colour of letters on a plate of one of these colours.
 * @param {string} colour
 */
export const inkOn = (colour) => (DARK.has(colour) ? "#fff" : "#101418");

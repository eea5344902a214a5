// The command line that does the same, as a person would type it. It never has a secret: the key is HARK_API_KEY.

const PLAIN = /^[\w@%+=:,./-]+$/;

function word(text) {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

// hark("list", "--status", "dead"); a value that is not there takes its option with it: ["--status", undefined]
export function hark(...words) {
  const given = words.flatMap((each) => {
    if (!Array.isArray(each)) return [each];
    const [, value] = each;
    return value === undefined || value === null || value === "" ? [] : each;
  });
  return ["hark", ...given.map((each) => word(String(each)))].join(" ");
}

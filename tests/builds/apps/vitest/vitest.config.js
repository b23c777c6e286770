const test = { include: ["*.test.js"] };

export default {
  test: {
    projects: [
      { test: { ...test, name: "left to Node" } },
      { test: { ...test, name: "transformed", server: { deps: { inline: ["lodis"] } } } },
      { test: { ...test, name: "in threads", pool: "threads" } },
    ],
  },
};

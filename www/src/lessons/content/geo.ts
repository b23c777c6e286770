import { mapDemo } from "../demos/map.js";
import { answered, answeredWith, any, goal, isFull, itemsOf, type Lesson, ran, stored } from "../lesson.js";

const demo = mapDemo("geo:cities");
const CITIES = [
  "GEOADD geo:cities 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
  "GEOADD geo:cities 13.583333 37.316667 Agrigento 12.512500 38.017500 Trapani",
] as const;
const GIVEN = { "geo:cities": CITIES.join("\n") };

export const geo: Lesson = {
  id: "geo",
  title: "Places on a map",
  summary: "Where things are, how far apart, and what is near.",
  steps: [
    {
      title: "Adding places",
      text: `
        \`GEOADD\` takes longitude, latitude and a name, in this order: first how far east, then how far north.

        Inside it is a sorted set. Each place becomes one number, its score, in such a way that what is near in
        the world is near in the set. The map shows what is in \`geo:cities\`.
      `,
      demo,
      commands: CITIES,
      goals: [goal("Put four towns or more into `geo:cities`", ran("GEOADD", "geo:cities"), stored(async (redis) => (await redis.zCard("geo:cities")) >= 4))],
    },
    {
      title: "How far?",
      text: `
        \`GEODIST\` tells the distance as the crow flies. \`GEOPOS\` tells where something is, and \`GEOHASH\` says
        the same as a short text that other programs know.
      `,
      demo,
      commands: ["GEODIST geo:cities Palermo Catania km", "GEOPOS geo:cities Palermo", "GEOHASH geo:cities Palermo"],
      given: GIVEN,
      goals: [
        goal("Ask how far apart two towns are", answered((reply) => reply.type === "string" || reply.type === "double", "GEODIST", "geo:cities")),
        goal("Ask where one is", answered((reply) => itemsOf(reply).some((item) => item.type !== "nil"), "GEOPOS|GEOHASH", "geo:cities")),
      ],
    },
    {
      title: "What is near?",
      text: `
        \`GEOSEARCH\` finds what lies within a circle or a box, around a member or around any point; \`ASC\` has
        the nearest first. The map shows where your last search looked, and what it found.
      `,
      demo,
      commands: ["GEOSEARCH geo:cities FROMMEMBER Palermo BYRADIUS 100 km ASC WITHDIST", "GEOSEARCH geo:cities FROMLONLAT 15 37 BYBOX 300 200 km ASC"],
      given: GIVEN,
      goals: [
        goal("Search in a circle", any(answeredWith("BYRADIUS", isFull, "GEOSEARCH", "geo:cities"), answered(isFull, "GEORADIUS|GEORADIUSBYMEMBER", "geo:cities"))),
        goal("Search in a box", answeredWith("BYBOX", isFull, "GEOSEARCH", "geo:cities")),
      ],
    },
  ],
};

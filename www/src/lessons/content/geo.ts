import { mapDemo } from "../demos/map.js";
import { all, type Lesson, ran, stored } from "../lesson.js";

const demo = mapDemo("geo:cities", "Palermo", 100);

export const geo: Lesson = {
  id: "geo",
  title: "Places on a map",
  summary: "Where things are, how far apart, and what is near.",
  steps: [
    {
      title: "Adding places",
      text: `
        \`GEOADD\` takes longitude, latitude and a name: east before north. Inside it is a sorted set, whose scores
        are the places as numbers, so that what is near is close in the set.
      `,
      demo,
      commands: ["GEOADD geo:cities 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", "GEOADD geo:cities 13.583333 37.316667 Agrigento 12.512500 38.017500 Trapani"],
      check: stored(async (redis) => (await redis.zCard("geo:cities")) >= 4),
    },
    {
      title: "How far?",
      text: "`GEODIST` answers the distance as the crow flies; `GEOPOS` where something is, and `GEOHASH` the same as the short text that other programs know.",
      demo,
      commands: ["GEODIST geo:cities Palermo Catania km", "GEOPOS geo:cities Palermo", "GEOHASH geo:cities Palermo"],
      check: all(ran("GEODIST", "geo:cities"), ran("GEOHASH", "geo:cities")),
    },
    {
      title: "What is near?",
      text: `
        \`GEOSEARCH\` finds what is within a circle or a box around a place, nearest first if you like. The circle
        on the map is what the command asks for.
      `,
      demo,
      commands: ["GEOSEARCH geo:cities FROMMEMBER Palermo BYRADIUS 100 km ASC WITHDIST", "GEOSEARCH geo:cities FROMLONLAT 15 37 BYBOX 300 200 km ASC"],
      check: ({ ran: seen }) => seen.some(({ words }) => words.includes("BYRADIUS")) && seen.some(({ words }) => words.includes("BYBOX")),
    },
  ],
};

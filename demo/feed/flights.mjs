// Prints the first rows of flights-3m.parquet as JSON lines, then one line with the totals for each
// origin. The totals come from the columns, not from the rows that were printed.
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { asyncBufferFromFile, parquetRead, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

const rowEnd = Number(process.argv[2]);
if (!Number.isInteger(rowEnd) || rowEnd < 1) {
  throw new Error(`usage: flights.mjs ROWS, got ${process.argv[2]}`);
}

// The package exports its code only; its data files lie beside it.
const data = new URL('node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url);
const file = await asyncBufferFromFile(fileURLToPath(data));
const range = { file, compressors, rowStart: 0, rowEnd };

async function print(text) {
  if (!process.stdout.write(text)) {
    await once(process.stdout, 'drain');
  }
}

async function printRows() {
  const rows = await parquetReadObjects(range);
  let lines = '';
  for (const [row, flight] of rows.entries()) {
    lines += `${JSON.stringify({
      row,
      date: flight.date.toISOString().slice(0, 16),
      delay: Number(flight.delay),
      distance: Number(flight.distance),
      origin: flight.origin,
      destination: flight.destination,
    })}\n`;
    if (lines.length > 65_536) {
      await print(lines);
      lines = '';
    }
  }
  await print(lines);
}

/** One column as an array: row groups and pages arrive in chunks that know their first row. */
async function column(name) {
  const values = new Array(rowEnd);
  await parquetRead({
    ...range,
    columns: [name],
    onChunk({ columnData, rowStart }) {
      for (let index = 0; index < columnData.length; index += 1) {
        if (rowStart + index < rowEnd) {
          values[rowStart + index] = columnData[index];
        }
      }
    },
  });
  return values;
}

async function printTotals() {
  const [origins, delays, distances] = [
    await column('origin'),
    await column('delay'),
    await column('distance'),
  ];
  const totals = {};
  for (const [row, origin] of origins.entries()) {
    const total = (totals[origin] ??= { flights: 0, delay: 0, distance: 0 });
    total.flights += 1;
    total.delay += Number(delays[row]);
    total.distance += Number(distances[row]);
  }
  await print(`${JSON.stringify({ totals })}\n`);
}

await printRows();
await printTotals();

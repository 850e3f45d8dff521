import { greet } from '@example/greeting';

console.log(greet('world'));

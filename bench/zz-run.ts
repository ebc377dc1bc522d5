import { sdk } from "./zz-sdk.ts"; import { withFolder } from "./benchmark.ts";
console.log(JSON.stringify((await withFolder((folder)=>sdk.run({isQuick:false,entries:1,folder,say(){}}))).rows.map((r:any)=>[r.what,r.value.median])));

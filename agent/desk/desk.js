// What NiceGUI loads; the desk itself is in web/.
export { default } from "shequn-desk/desk.js";

// What NiceGUI loads; the page itself is in web/.
export { default } from "shequn-desk";

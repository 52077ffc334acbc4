import { insertUnderRwsem } from 'odptorture/strategy';
import idleBirth from './idle-birth.mjs';

/** idle-birth with one step broken on purpose: a registration does not wait for anything. */
export default { ...idleBirth, name: 'no-wait', keepsOut: false, insert: insertUnderRwsem };

/* mask(text TEXT) RETURNS TEXT: all but the last four characters as asterisks. */
#define NYALA_IMPLEMENTATION
#include "nyala.h"

#define VISIBLE 4

/* Whether a character of UTF-8 begins with this byte. */
static bool begins(char byte) { return ((uint8_t)byte & 0xc0) != 0x80; }

NYALA_EXPORT("nyala_scalar_mask") const nyala_column *mask(const nyala_batch *batch) {
    const nyala_column *input = &batch->columns[0];
    nyala_text *output = nyala_text_new(batch->rows);
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (nyala_is_null(input, row)) {
            nyala_text_null(output);
            continue;
        }
        uint32_t length, characters = 0, seen = 0;
        const char *bytes = nyala_bytes(input, row, &length);
        for (uint32_t i = 0; i < length; i++) characters += begins(bytes[i]);
        for (uint32_t i = 0; i < length; i++) {
            seen += begins(bytes[i]);
            if (seen + VISIBLE > characters) {
                nyala_text_add(output, &bytes[i], 1);
            } else if (begins(bytes[i])) {
                nyala_text_add(output, "*", 1);
            }
        }
        nyala_text_end(output);
    }
    return nyala_text_column(output);
}

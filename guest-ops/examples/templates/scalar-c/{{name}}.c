/* {{name}}(text TEXT) RETURNS TEXT: the text in small letters, A to Z. manifest.sql declares it. */
#define NYALA_IMPLEMENTATION
#include "nyala.h"

NYALA_EXPORT("nyala_scalar_{{name}}") const nyala_column *{{name}}(const nyala_batch *batch) {
    const nyala_column *input = &batch->columns[0];
    nyala_text *output = nyala_text_new(batch->rows);
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (nyala_is_null(input, row)) {
            nyala_text_null(output);
            continue;
        }
        uint32_t length;
        const char *bytes = nyala_bytes(input, row, &length);
        for (uint32_t i = 0; i < length; i++) {
            char letter = bytes[i];
            if (letter >= 'A' && letter <= 'Z') letter = (char)(letter - 'A' + 'a');
            nyala_text_add(output, &letter, 1);
        }
        nyala_text_end(output);
    }
    return nyala_text_column(output);
}

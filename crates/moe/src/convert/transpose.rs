//! Matrices turned over as bytes, so that every type of number stays as it is.

/// A matrix of numbers of some bytes each within a wider, row-major one: `rows` by `columns` from column `from` of rows of `width`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) from: usize,
    pub(super) width: usize,
}

/// Rows and columns that are worked on at a time, so that both sides stay in the cache.
const TILE: usize = 32;

impl Part {
    /// Writes the transpose of a matrix `[columns, rows]` into the part.
    pub(super) fn write(self, wide: &mut [u8], matrix: &[u8], bytes: usize) {
        self.each_tile(|part, transposed| {
            let (part, transposed) = (part * bytes, transposed * bytes);
            wide[part..][..bytes].copy_from_slice(&matrix[transposed..][..bytes]);
        });
    }

    /// The transpose of the part, `[columns, rows]`.
    pub(super) fn read(self, wide: &[u8], bytes: usize) -> Vec<u8> {
        let mut matrix = vec![0; self.rows * self.columns * bytes];
        self.each_tile(|part, transposed| {
            let (part, transposed) = (part * bytes, transposed * bytes);
            matrix[transposed..][..bytes].copy_from_slice(&wide[part..][..bytes]);
        });
        matrix
    }

    /// Calls with the place of each number in the wide matrix and in the transpose.
    fn each_tile(self, mut visit: impl FnMut(usize, usize)) {
        for row_tile in (0..self.rows).step_by(TILE) {
            for column_tile in (0..self.columns).step_by(TILE) {
                for row in row_tile..self.rows.min(row_tile + TILE) {
                    for column in column_tile..self.columns.min(column_tile + TILE) {
                        visit(
                            row * self.width + self.from + column,
                            column * self.rows + row,
                        );
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_written_transposed_and_read_back() {
        let (rows, columns) = (37, 70);
        let matrix: Vec<u8> = (0..rows * columns * 2).map(|i| (i % 251) as u8).collect();
        let part = Part {
            rows,
            columns,
            from: 3,
            width: columns + 5,
        };
        let mut wide = vec![255; rows * part.width * 2];
        part.write(&mut wide, &matrix, 2);
        // Row 2, column 1 of the part is row 1, column 2 of the matrix.
        let (at, of) = ((2 * part.width + 3 + 1) * 2, (rows + 2) * 2);
        assert_eq!(wide[at..at + 2], matrix[of..of + 2]);
        assert_eq!(wide[..6], [255; 6], "what is beside stays");
        assert_eq!(part.read(&wide, 2), matrix);
    }
}

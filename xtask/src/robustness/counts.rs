//! The lines of counts that the tests print.

use super::record::{Kills, Room};

/// What one test counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) rooms: Vec<Room>,
    pub(super) kills: Vec<Kills>,
}

/// Reads the lines `hostile,<room>,<tried>,<errors>,<accepted>,<faults>` and `kills,<name>,<kills>,<lost>,<different>`.
/// The test harness may have written the name of the test before one.
pub(super) fn read(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines() {
        let line = line.rsplit_once(" ... ").map_or(line, |(_, end)| end);
        let cells: Vec<&str> = line.trim().split(',').collect();
        let number = |place: usize| cells.get(place).and_then(|cell: &&str| cell.parse().ok());
        let name = || cells[1].to_owned();
        match cells.first() {
            Some(&"hostile") if cells.len() == 6 => {
                if let (Some(tried), Some(errors), Some(accepted), Some(faults)) =
                    (number(2), number(3), number(4), number(5))
                {
                    counts.rooms.push(Room {
                        room: name(),
                        tried,
                        errors,
                        accepted,
                        faults,
                        ..Room::default()
                    });
                }
            }
            Some(&"kills") if cells.len() == 5 => {
                if let (Some(kills), Some(lost), Some(different)) =
                    (number(2), number(3), number(4))
                {
                    counts.kills.push(Kills {
                        name: name(),
                        kills,
                        lost,
                        different,
                        ..Kills::default()
                    });
                }
            }
            _ => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_counts_are_found_in_the_output_of_a_test() {
        let output = "\nrunning 1 test\ntest states::all ... hostile,moe states,300,200,99,1\n\
            kills,checkpoint,5,0,1\nhostile,half\nkills,x,many,0,0\nok\n";
        let counts = read(output);
        assert_eq!((counts.rooms.len(), counts.kills.len()), (1, 1));
        let room = &counts.rooms[0];
        assert_eq!(room.room, "moe states");
        let numbers = (room.tried, room.errors, room.accepted, room.faults);
        assert_eq!(numbers, (300, 200, 99, 1));
        let kills = &counts.kills[0];
        assert_eq!((kills.kills, kills.lost, kills.different), (5, 0, 1));
    }
}

//! Past pictures, which a discriminator is shown beside new ones, so that it does not forget (Shrivastava et al. 2017, section 2.3).

use burn::tensor::{Device, Tensor, TensorData};
use rebus_data::random::{Purpose, below, stream, uniform};
use rebus_nn::{
    named::Mismatch,
    optim::{Remember, Snapshot},
};

/// At most so many pictures.
#[derive(Debug)]
pub struct Pool {
    name: &'static str,
    capacity: usize,
    device: Device,
    /// Each `[1, channel, height, width]`
    pictures: Vec<Tensor<4>>,
}

impl Pool {
    /// Without a picture yet. `name` is what it is called in files.
    pub fn new(name: &'static str, capacity: usize, device: &Device) -> Self {
        Self { name, capacity, device: device.clone(), pictures: vec![] }
    }

    /// Takes new pictures `[batch, channel, height, width]`, and gives as many: while there is room each itself, then every other
    /// time a past one, in whose place it is kept.
    pub fn exchange(&mut self, pictures: Tensor<4>, seed: u64, step: u64) -> Tensor<4> {
        if self.capacity == 0 {
            return pictures;
        }
        let count = pictures.dims()[0] as u64;
        let shown = (0..count).map(|place| {
            let picture = pictures.clone().narrow(0, place as usize, 1);
            let mut draws = stream(seed, Purpose::Pool, step, place);
            if self.pictures.len() < self.capacity {
                self.pictures.push(picture.clone());
                return picture;
            }
            match uniform(&mut draws) < 0.5 {
                true => std::mem::replace(&mut self.pictures[below(&mut draws, self.capacity)], picture),
                false => picture,
            }
        });
        Tensor::cat(shown.collect(), 0)
    }
}

/// Among what the optimiser remembers.
impl Remember for Pool {
    fn save(&self, snapshot: &mut Snapshot) {
        if !self.pictures.is_empty() {
            let all = Tensor::cat(self.pictures.clone(), 0).into_data();
            snapshot.optimizer.insert(self.name.to_string(), all);
        }
    }

    fn load(&mut self, snapshot: &Snapshot) -> Result<(), Mismatch> {
        let Some(all) = snapshot.optimizer.get(self.name) else {
            self.pictures.clear();
            return Ok(());
        };
        let all: Tensor<4> = Tensor::from_data(TensorData::clone(all), &self.device);
        self.pictures = (0..all.dims()[0]).map(|place| all.clone().narrow(0, place, 1)).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(first: usize, count: usize) -> Tensor<4> {
        let values: Vec<f32> = (first..first + count).map(|value| value as f32).collect();
        Tensor::<1>::from_floats(values.as_slice(), &Device::flex()).reshape([count, 1, 1, 1])
    }

    fn shown(pool: &mut Pool, step: u64) -> Vec<f32> {
        pool.exchange(numbered(4 * step as usize, 4), 7, step).into_data().iter::<f32>().collect()
    }

    #[test]
    fn half_of_what_is_shown_is_new_once_the_pool_is_full() {
        let mut pool = Pool::new("pool", 8, &Device::flex());
        assert_eq!(shown(&mut pool, 0), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(shown(&mut pool, 1), [4.0, 5.0, 6.0, 7.0]);
        let all: Vec<Vec<f32>> = (2..102).map(|step| shown(&mut pool, step)).collect();
        let new = |(step, shown): (usize, &Vec<f32>)| {
            shown.iter().filter(|value| **value >= 4.0 * (step + 2) as f32).count()
        };
        let count: usize = all.iter().enumerate().map(new).sum();
        assert!((150..250).contains(&count), "{count}");
        let mut different: Vec<f32> = all.concat();
        different.sort_by(f32::total_cmp);
        assert!(different.windows(2).all(|pair| pair[0] < pair[1]), "a picture was shown twice");
    }

    #[test]
    fn a_pool_goes_on_from_where_it_was() {
        let mut pool = Pool::new("pool", 5, &Device::flex());
        (0..9).for_each(|step| drop(shown(&mut pool, step)));
        let mut snapshot = Snapshot::default();
        pool.save(&mut snapshot);
        let mut again = Pool::new("pool", 5, &Device::flex());
        again.load(&snapshot).unwrap();
        for step in 9..20 {
            assert_eq!(shown(&mut pool, step), shown(&mut again, step));
        }
        again.load(&Snapshot::default()).unwrap();
        assert_eq!(shown(&mut again, 0), [0.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn without_room_new_pictures_alone_are_shown() {
        let mut pool = Pool::new("pool", 0, &Device::flex());
        assert_eq!(shown(&mut pool, 3), [12.0, 13.0, 14.0, 15.0]);
    }
}

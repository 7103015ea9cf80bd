//! Sequence numbers, which wrap (RFC 9293 section 3.4).

/// How far `a` lies behind `b`: negative where it lies before.
#[inline]
pub(crate) const fn diff(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

#[inline]
pub(crate) const fn lt(a: u32, b: u32) -> bool {
    diff(a, b) < 0
}

#[inline]
pub(crate) const fn le(a: u32, b: u32) -> bool {
    diff(a, b) <= 0
}

#[inline]
pub(crate) const fn gt(a: u32, b: u32) -> bool {
    diff(a, b) > 0
}

#[inline]
pub(crate) const fn ge(a: u32, b: u32) -> bool {
    diff(a, b) >= 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_holds_across_the_wrap() {
        assert!(lt(u32::MAX, 0) && gt(0, u32::MAX) && le(5, 5) && ge(5, 5));
        assert_eq!(diff(2, u32::MAX - 1), 4);
        assert_eq!(diff(u32::MAX - 1, 2), -4);
    }
}
